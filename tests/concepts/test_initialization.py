"""The initializers write the numbers that torch's write: every function, tier and case of the concept's samples."""

import warnings

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from conceptlab.concepts.initialization import samples
from conceptlab.core import registry
from conceptlab.verify.closeness import check_same


def draws_by_rejection():
    """Whether this torch's truncated normal draws normal numbers until they lie inside.

    Older ones send uniform numbers through the inverse of the distribution: other numbers, and as many for all bounds.
    """
    first, second = (torch.Generator().manual_seed(0) for _ in range(2))
    drawn = torch.nn.init.trunc_normal_(torch.empty(1), a=-9.0, b=9.0, generator=first)
    return torch.equal(drawn, torch.empty(1).normal_(generator=second))


PARTS = [part for part in registry.parts.values() if part.concept == "initialization"]
TIERS = [(part, tier) for part in PARTS for tier in part.tiers if tier != "builtin"]
OTHER_NUMBERS = pytest.mark.skipif(
    not draws_by_rejection(), reason=f"torch {torch.__version__} draws truncated normals in another way than newer ones"
)
MARKS = {"trunc_normal_": OTHER_NUMBERS}
FILLING = [
    pytest.param(p, tier, id=f"{p.name}-{tier}", marks=MARKS.get(p.name, ()))
    for p, tier in TIERS
    if p.name != "calculate_gain"
]
DRAWING = [case for case in FILLING if case.values[0].name not in ("constant_", "zeros_", "ones_")]
CASES = [
    pytest.param(part, tier, sample, id=f"{part.name}-{tier}-{sample.name}", marks=MARKS.get(part.name, ()))
    for part, tier in TIERS
    for sample in (samples.gains() if part.name == "calculate_gain" else samples.fillings(part.name))
]


def outcome(function, args, kwargs):
    """Result, warnings (kind and key word) and exception of a call, each on a new tensor."""
    args = [a() if callable(a) else a for a in args]
    torch.manual_seed(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result, error = function(*args, **kwargs), None
        except Exception as raised:
            result, error = None, type(raised)
    key_words = ("zero-element tensors is a no-op", "mean is more than 2 std from [a, b]")
    said = [(w.category, [k for k in key_words if k in str(w.message)]) for w in caught]
    return args, result, error, said


@pytest.mark.parametrize(("part", "tier", "sample"), CASES)
def test_as_torch(part, tier, sample):
    ours_args, ours, our_error, ours_said = outcome(part.tiers[tier], sample.args, sample.kwargs)
    state = torch.get_rng_state()
    _, theirs, their_error, theirs_said = outcome(part.torch, sample.args, sample.kwargs)
    assert our_error is their_error
    assert ours_said == theirs_said
    if their_error is not None:
        return
    assert torch.equal(state, torch.get_rng_state()), "as many numbers drawn"
    check_same(ours, theirs, "result", bound=0)
    if isinstance(theirs, torch.Tensor):
        assert ours is ours_args[0], "in place"
        assert not ours.requires_grad or ours.is_leaf, "without a gradient"


@pytest.mark.parametrize(("part", "tier"), DRAWING)
def test_generator(part, tier):
    for arguments in [{}, {"mean": 3.0, "a": 0.0, "b": 1.5}] if part.name == "trunc_normal_" else [{}]:
        ours, theirs = (
            f(torch.empty(9, 8), **arguments, generator=torch.Generator().manual_seed(11))
            for f in (part.tiers[tier], part.torch)
        )
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("bounds", [{}, {"mean": 3.0, "a": 0.0, "b": 1.5}, {"std": 0.5, "a": 0.2, "b": 0.9}])
def test_truncated_normal_numbers_follow_torchs_law(bounds, tier):
    """With every version of torch, however it draws: the distance of Kolmogorov and Smirnov, and the bounds."""
    part, n = registry.parts["trunc_normal_"], 20_000
    ours, theirs = (
        f(torch.empty(n, dtype=torch.float64), **bounds, generator=torch.Generator().manual_seed(seed)).sort().values
        for f, seed in ((part.tiers[tier], 1), (part.torch, 2))
    )
    below = torch.searchsorted(theirs, ours, right=True) - torch.arange(1, n + 1)
    # two samples of one law are further apart once in a thousand times
    assert below.abs().max() / n < 1.95 * (2 / n) ** 0.5
    assert bounds.get("a", -2.0) <= ours[0]
    assert ours[-1] <= bounds.get("b", 2.0)


@pytest.mark.parametrize(("part", "tier"), FILLING)
def test_without_values(part, tier):
    """On the meta device nothing happens; a fake tensor is filled, where torch can."""
    value = (0.5,) if part.name == "constant_" else ()
    meta = torch.empty(4, 3, device="meta", requires_grad=True)
    assert part.tiers[tier](meta, *value) is meta
    with FakeTensorMode():
        for device in ("cpu", "cuda"):
            fake = torch.empty(4, 3, device=device)
            try:
                part.torch(fake, *value)
            except RuntimeError as error:
                with pytest.raises(type(error)):
                    part.tiers[tier](fake, *value)
            else:
                assert part.tiers[tier](fake, *value) is fake


@pytest.mark.parametrize("tier", ["naive", "handmade", "builtin"])
@pytest.mark.parametrize("shape", [(5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_starts_from_torch_weights(tier, shape, bias):
    linear = registry.parts["Linear"]
    layers = []
    for make in (
        lambda: linear.tiers["handmade"](*shape, bias=bias, tier=tier),
        lambda: linear.torch(*shape, bias=bias),
    ):
        torch.manual_seed(5)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layers.append((make(), len(caught)))
    (ours, our_warnings), (theirs, their_warnings) = layers
    assert our_warnings == their_warnings
    check_same(dict(ours.state_dict()), dict(theirs.state_dict()), "weights", bound=0)
