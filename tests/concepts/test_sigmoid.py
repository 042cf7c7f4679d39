"""What the contract cannot say of sigmoid and its kin: integers, and the tails."""

import pytest
import torch

from conceptlab.core import registry
from conceptlab.verify.calls import gradients, run
from conceptlab.verify.closeness import check_same


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_integers_become_floating(name, tier):
    part = registry.parts[name]
    x = torch.arange(-5, 6)
    torch.testing.assert_close(part.tiers[tier](x), part.torch(x))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "silu", "gelu", "logsigmoid"])
def test_complex_is_refused_in_words(name):
    with pytest.raises(NotImplementedError, match="expected real numbers"):
        registry.parts[name].tiers["handmade"](torch.ones(2, dtype=torch.complex64))


def test_no_cancellation_near_zero():
    x = torch.tensor([1e-12, -3e-8, 1e-5])
    torch.testing.assert_close(registry.parts["tanh"].tiers["handmade"](x), x, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "logsigmoid", "silu"])
def test_second_derivative_is_finite_in_the_tails(name):
    x = torch.tensor([-2000.0, 2000.0], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(registry.parts[name].tiers["handmade"](x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second.isfinite().all()


IN_PLACE = [
    pytest.param(torch.sigmoid_, id="sigmoid_"),
    pytest.param(torch.Tensor.sigmoid_, id="Tensor.sigmoid_"),
    pytest.param(torch.tanh_, id="tanh_"),
    pytest.param(torch.Tensor.tanh_, id="Tensor.tanh_"),
    pytest.param(torch._C._nn.silu_, id="silu_"),
    pytest.param(torch._C._nn.mish_, id="mish_"),
    pytest.param(torch._C._nn.hardsigmoid_, id="hardsigmoid_"),
    pytest.param(torch._C._nn.hardswish_, id="hardswish_"),
]


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("spelling", IN_PLACE)
def test_in_place_spellings(spelling, tier):
    """Values, the input afterwards, and gradients, which must not be those of the overwritten input."""
    part, adapter = registry.spellings[spelling]
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    ours = run(lambda x: adapter(part.tiers[tier], x), (x,), {})
    theirs = run(spelling, (x,), {})
    check_same(ours.output, theirs.output, "value")
    check_same(ours.arguments, theirs.arguments, "input afterwards")
    check_same(gradients(ours), gradients(theirs), "gradient")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_gradient_of_tanh_is_rounded_once(dtype):
    """It is told from the result, as that is kept; but for that, its error is half a digit at most."""
    x = (torch.rand(1000) - 0.5).to(dtype).requires_grad_()
    g = torch.randn(1000).to(dtype)
    y = registry.parts["tanh"].tiers["handmade"](x)
    (received,) = torch.autograd.grad(y, x, g)
    exact = g.double() * (1 - y.detach().double() ** 2)
    digit = torch.finfo(dtype).eps * exact.abs().clamp(min=torch.finfo(dtype).smallest_normal)
    assert ((received.double() - exact).abs() <= 0.501 * digit).all()
