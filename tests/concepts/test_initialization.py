"""A layer starts from torch's weights, in every tier. (`tests/test_functions.py` has the initializers' checks.)"""

import warnings

import pytest
import torch

from conceptlab.core import registry
from conceptlab.verify.closeness import check_same


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


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("shape", [(40, 40), (100, 70), (3, 5, 4)])
def test_orthogonal_rows_or_columns(shape, tier):
    orthogonal_ = registry.parts["orthogonal_"].tiers[tier]
    Q = orthogonal_(torch.empty(shape, dtype=torch.float64), gain=3.0).reshape(shape[0], -1)
    gram = Q @ Q.t() if Q.shape[0] < Q.shape[1] else Q.t() @ Q
    torch.testing.assert_close(gram, 9 * torch.eye(len(gram), dtype=torch.float64), rtol=0, atol=1e-13)


def test_orthogonal_in_single_precision():
    """As near to right angles as rounding allows, also where the last columns are nearly spanned by those before."""
    for seed in range(5):
        Q = registry.parts["orthogonal_"].tiers["handmade"](
            torch.empty(150, 150), generator=torch.Generator().manual_seed(seed)
        )
        torch.testing.assert_close(Q.t() @ Q, torch.eye(150), rtol=0, atol=1e-6)
