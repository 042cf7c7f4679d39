"""What the contract cannot say of clipping: training with it, several spellings, texts of errors."""

import math

import pytest
import torch

from conceptlab.core import registry
from conceptlab.nn import utils

EACH_TIER = pytest.mark.parametrize("tier", ["naive", "handmade"])


def parameters(*gradients):
    found = []
    for gradient in gradients:
        found.append(torch.nn.Parameter(torch.zeros_like(gradient)))
        found[-1].grad = gradient.clone()
    return found


@EACH_TIER
def test_the_length_afterwards(tier):
    found = parameters(torch.randn(30, 4) * 5, torch.randn(7), torch.randn(()))
    before = [parameter.grad.clone() for parameter in found]
    norm = utils.clip_grad_norm_(found, 2.0, tier=tier)
    after = utils.get_total_norm([parameter.grad for parameter in found], tier=tier)
    torch.testing.assert_close(after, torch.tensor(2.0))
    for parameter, gradient in zip(found, before, strict=True):
        torch.testing.assert_close(parameter.grad * norm / 2, gradient)


@EACH_TIER
def test_the_older_name_warns(tier):
    found, theirs = parameters(torch.tensor([3.0, 4.0])), parameters(torch.tensor([3.0, 4.0]))
    with pytest.warns(FutureWarning, match="deprecated"):
        assert utils.clip_grad_norm(found, 1.0, tier=tier) == 5
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    torch.testing.assert_close(found[0].grad, theirs[0].grad)


def test_half_precision_is_rounded_once():
    """The norm of many numbers of one gradient, and of many gradients, is computed in float32."""
    gradients = [torch.full((1000,), 200.0, dtype=torch.float16) for _ in range(4)]
    found = parameters(*gradients)
    norm = registry.parts["clip_grad_norm_"].tiers["handmade"](found, 1.0)
    assert norm.dtype is torch.float16
    expected = torch.cat(gradients).double().norm()
    torch.testing.assert_close(norm.double(), expected, rtol=torch.finfo(torch.float16).eps, atol=0)
    factor = 1 / (expected + 1e-6)
    torch.testing.assert_close(
        found[0].grad.double(), gradients[0].double() * factor, rtol=torch.finfo(torch.float16).eps, atol=0
    )


@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_norm_may_be_larger_than_half_precision_has_numbers(is_sparse):
    if is_sparse and torch.__version__ < "2.14":
        pytest.skip("torch 2.11 has no norm of a sparse tensor, and so clips no sparse gradients itself")
    gradient = torch.full((4, 2), 6e4, dtype=torch.float16)
    (parameter,) = parameters(gradient.to_sparse(1) if is_sparse else gradient)
    registry.parts["clip_grad_norm_"].tiers["handmade"]([parameter], 1.0)
    torch.testing.assert_close(parameter.grad.to_dense(), torch.full_like(gradient, 8**-0.5), rtol=2e-3, atol=0)


@EACH_TIER
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_leaves_gradients_alone(value, tier):
    found = parameters(torch.tensor([value, 1.0]), torch.ones(2))
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(found, 1.0, error_if_nonfinite=True, tier=tier)
    assert torch.equal(found[1].grad, torch.ones(2))


def test_foreach_where_there_is_none():
    found = parameters(torch.ones(2, device="meta"))
    for clip in (utils.clip_grad_norm_, utils.clip_grad_value_):
        with pytest.raises(RuntimeError, match="can't use the foreach API on meta"):
            clip(found, 1.0, foreach=True)


@EACH_TIER
def test_training_with_clipping_is_torchs(tier):
    curves = []
    for module in (utils, torch.nn.utils):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
        optimizer, x = torch.optim.SGD(model.parameters(), lr=0.5), torch.randn(16, 4, dtype=torch.float64)
        extra = {"tier": tier} if module is utils else {}
        curve = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = (model(x) - 10 * x[:, :1]).square().mean()
            loss.backward()
            curve.append((loss.item(), module.clip_grad_norm_(model.parameters(), 0.1, **extra).item()))
            module.clip_grad_value_(model.parameters(), 0.01, **extra)
            optimizer.step()
        curves.append(torch.tensor(curve))
    torch.testing.assert_close(*curves, rtol=1e-10, atol=0)
