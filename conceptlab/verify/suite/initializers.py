"""Initializers: the numbers they write, where they write them, and what they refuse."""

import copy
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from conceptlab.concepts.initialization import samples as concept_samples
from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify.calls import reseed
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target

_OTHERS: dict[str, list[dict[str, Any]]] = {
    "eye_": [{}],
    "dirac_": [{}, {"groups": 2}, {"groups": 3}],
    "sparse_": [{"sparsity": 0.3}, {"sparsity": 0.9, "std": 2.0}],
}
"""Arguments of those that conceptlab has not by hand."""

_COMPUTED = frozenset({"orthogonal_"})
"""Those whose numbers are computed from what is drawn, and may differ from torch's by rounding."""

KEY_WORDS = (
    "fewer than 2 dimensions",
    "[Oo]nly tensors with 2 dimensions",
    "tensors with 3, 4, or 5 dimensions",
    "2 or more dimensions",
    "not implemented for 'Long'",
    "without overflow",
    "divisible by groups",
    "[Mm]ode fan_on",
    "[Uu]nsupported nonlinearity",
    "negative_slope .* not a valid number",
    r"\[from, to\)",
    "std >= 0",
    "single memory location",
    "zero-element tensors is a no-op",
    r"mean is more than 2 std from \[a, b\]",
    "deprecated",
)
"""Patterns: what torch's refusal or warning has of them, an implementation's has to have, too."""


@dataclass(frozen=True)
class _Call:
    """What one call did: the tensor, what was returned, warnings and exception, and how far the draws went."""

    tensor: Any
    result: Any
    said: list[tuple[type, list[str]]]
    error: Exception | None
    state: Tensor


def _call(function: Any, sample: Sample, **more: Any) -> _Call:
    # a deep copy keeps gaps, expanded axes, and being a parameter
    args = copy.deepcopy(sample.args)
    result, error = None, None
    reseed()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args, **sample.kwargs, **more)
        except REFUSALS as refusal:
            error = refusal
    said = [(w.category, _key_words(w.message)) for w in caught]
    return _Call(args[0], result, said, error, torch.get_rng_state())


def _key_words(said: object) -> list[str]:
    return [words for words in KEY_WORDS if re.search(words, str(said))]


def _require_one_way_to_draw(target: Target) -> None:
    """Older versions of torch send uniform numbers through the inverse of the distribution; conceptlab does not.

    Newer ones, and conceptlab, draw normal numbers until they lie inside. Both follow the same law.
    """
    if target.tier is None or target.part.name != "trunc_normal_":
        return
    first, second = (torch.Generator().manual_seed(0) for _ in range(2))
    drawn = torch.nn.init.trunc_normal_(torch.empty(1), a=-9.0, b=9.0, generator=first)
    if not torch.equal(drawn, torch.empty(1).normal_(generator=second)):
        raise NotApplicable("this version of torch draws truncated normal numbers in another way")


def _bound(target: Target, tensor: Any) -> float:
    """By what share of the largest number the results may differ; a hundred roundings where they are computed."""
    return 100 * torch.finfo(tensor.dtype).eps if target.part.name in _COMPUTED else 0.0


def samples(target: Target) -> Iterator[Sample]:
    """Calls of the function, valid ones and others."""
    name = target.part.name
    if name == "calculate_gain":
        return concept_samples.gains()
    # torch.nn.init.normal is an older name of normal_
    name = name if name.endswith("_") else f"{name}_"
    return map(target.moved_sample, concept_samples.fillings(name, _OTHERS.get(name)))


def values(target: Target) -> Tally:
    """torch's numbers, bit for bit where they are drawn; in place, without a gradient, with its warnings and draws."""

    def compare(sample: Sample) -> None:
        _require_one_way_to_draw(target)
        theirs = _call(target.builtin, sample)
        if theirs.error is not None:
            raise NotApplicable("torch refuses it")
        ours = _call(target.implementation, sample)
        if ours.error is not None:
            raise ours.error
        check_same(ours.said, theirs.said, "warnings")
        check_same(torch.equal(ours.state, theirs.state), True, "as many numbers drawn as by torch")
        check_same(ours.result, theirs.result, "result", bound=_bound(target, theirs.tensor))
        if isinstance(theirs.result, Tensor):
            check_same(ours.result is ours.tensor, True, "returns the tensor that it was given")
            check_same(ours.tensor.is_leaf, theirs.tensor.is_leaf, "a leaf, without a graph")

    return each(samples(target), compare)


def refused(target: Target) -> Tally:
    """What torch refuses is refused, with torch's type of exception and key words."""

    def compare(sample: Sample) -> None:
        expected = _call(target.builtin, sample).error
        received = _call(target.implementation, sample).error
        if received is None:
            raise Mismatch(f"expected {type(expected).__name__}, and it was accepted")
        if type(received) is not type(expected):
            raise Mismatch(f"expected {expected!r}, received {received!r}") from received
        # of two mistakes at once, in the tensor and in the arguments, either may be named
        of_tensor = _call(target.builtin, Sample("", sample.args)).error
        allowed = [words for words in (_key_words(expected), _key_words(of_tensor)) if words]
        if _key_words(expected) and _key_words(received) not in allowed:
            raise Mismatch(f"expected a message with {allowed[0]}, received {str(received)!r}") from received

    return each((s for s in samples(target) if _call(target.builtin, s).error is not None), compare)


def generator(target: Target) -> Tally:
    """Draws from a ``generator`` of one's own, and then from no other."""

    def compare(sample: Sample) -> None:
        if "generator" not in inspect.signature(target.builtin).parameters:
            raise NotApplicable("torch's own takes no generator")
        _require_one_way_to_draw(target)
        own = [torch.Generator(target.device).manual_seed(11) for _ in range(2)]
        theirs = _call(target.builtin, sample, generator=own[0])
        if theirs.error is not None:
            raise NotApplicable("torch refuses it")
        ours = _call(target.implementation, sample, generator=own[1])
        if ours.error is not None:
            raise ours.error
        check_same(ours.result, theirs.result, "result", bound=_bound(target, theirs.tensor))
        check_same(torch.equal(own[0].get_state(), own[1].get_state()), True, "as many numbers drawn as by torch")
        check_same(torch.equal(ours.state, theirs.state), True, "the global generator is left alone")

    return each(samples(target), compare)


def without_values(target: Target) -> Tally:
    """On the meta device nothing happens; a fake tensor, of a CPU or of CUDA, is filled where torch can."""

    def meta(sample: Sample) -> None:
        tensor = sample.args[0].to("meta", copy=True).requires_grad_()
        with warnings.catch_warnings(action="ignore"):  # of torch.nn.init's older names
            theirs = of_torch(lambda: target.builtin(tensor, **sample.kwargs), "torch has no meta device for it")
            ours = target.implementation(tensor, **sample.kwargs)
        check_same(ours is tensor, theirs is tensor, "returns the tensor")

    def fake(sample: Sample) -> None:
        _require_one_way_to_draw(target)
        with FakeTensorMode(), warnings.catch_warnings(action="ignore"):
            tensor = torch.empty(4, 3, device=sample.name)
            try:
                target.builtin(tensor, **sample.kwargs)
            except REFUSALS as expected:
                try:
                    target.implementation(tensor, **sample.kwargs)
                except type(expected):
                    return
                raise Mismatch(
                    f"expected {type(expected).__name__} of a fake tensor, and it was accepted"
                ) from expected
            check_same(target.implementation(tensor, **sample.kwargs) is tensor, True, "returns the tensor")

    plain = next(iter(samples(target)))
    if not plain.args or not isinstance(plain.args[0], Tensor):
        return Tally()
    devices = [Sample(device, kwargs=plain.kwargs) for device in ("cpu", "cuda")]
    return each([plain], meta) + each(devices, fake)


def purity(target: Target) -> Tally:
    """It is made of elementary operations, none of which is torch.nn's."""
    # drawn again until all are in the range, which has to be looked at: as torch's own does
    allowed = {"forward": ["_local_scalar_dense"]} if target.part.name == "trunc_normal_" else {}

    def check(sample: Sample) -> None:
        # in place, into a tensor that is not differentiated, and so no input of the audit
        tensor = torch.zeros(5, 4, dtype=sample.kwargs["dtype"])
        found = foreign_operations(lambda: target.implementation(tensor, **sample.init_kwargs))
        if found != allowed:
            raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found}")

    plain = next(iter(samples(target)))
    if not plain.args or not isinstance(plain.args[0], Tensor):
        return Tally()
    dtypes = [torch.float32] + [torch.int64] * (target.part.name in ("constant_", "zeros_", "ones_"))
    return each([Sample(str(d), kwargs={"dtype": d}, init_kwargs=plain.kwargs) for d in dtypes], check)


CHECKS = (values, refused, generator, without_values, purity)
"""The telling ones first."""
