"""Rules, where the samples of the checks do not reach: compiled, and nothing or not everything is differentiated."""

import pytest
import torch
import torch.nn.functional as F

from conceptlab.nn import functional as ours

CALLS = {
    "pad": (1, lambda f, x: f.pad(x, (1, 2, 2, 1), mode="reflect")),
    "max_pool2d": (1, lambda f, x: f.max_pool2d(x, 2)),
    "conv2d": (2, lambda f, x, w: f.conv2d(x, w)),
}


@pytest.mark.slow
@pytest.mark.parametrize("differentiated", [False, True], ids=["without a gradient", "by the input alone"])
@pytest.mark.parametrize("name", CALLS)
def test_compiled(name, differentiated):
    count, call = CALLS[name]
    inputs = [torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)][:count]
    inputs[0].requires_grad_(differentiated)
    torch.compiler.reset()
    whole = torch.compile(lambda *args: call(ours, *args), fullgraph=True, backend="aot_eager")
    received, expected = whole(*inputs), call(F, *inputs)
    torch.testing.assert_close(received, expected)
    if differentiated:
        g = torch.randn(expected.shape, dtype=torch.float64)
        torch.testing.assert_close(*(torch.autograd.grad(y, inputs[0], g)[0] for y in (received, expected)))
