"""One registry, many doors: a constructor's tier, swap, use, and Parts give the same bits."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import conceptlab as cl
from conceptlab.core import Parts, registry

LAYERS = {
    "Linear": (nn.Linear, (4, 3), (5, 4), "linear", lambda m, x: F.linear(x, m.weight, m.bias)),
    "ReLU": (nn.ReLU, (), (5, 4), "relu", lambda m, x: F.relu(x)),
    "PReLU": (nn.PReLU, (4,), (5, 4), "prelu", lambda m, x: F.prelu(x, m.weight)),
    "GELU": (nn.GELU, (), (5, 4), "gelu", lambda m, x: F.gelu(x)),
    "BatchNorm2d": (
        nn.BatchNorm2d,
        (4,),
        (5, 4, 3, 3),
        "batch_norm",
        lambda m, x: F.batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias, True, m.momentum, m.eps),
    ),
    "Conv2d": (nn.Conv2d, (4, 3, 3), (2, 4, 6, 6), "conv2d", lambda m, x: F.conv2d(x, m.weight, m.bias)),
    "Softmax": (nn.Softmax, (1,), (5, 4), "softmax", lambda m, x: F.softmax(x, 1)),
    "MaxPool2d": (nn.MaxPool2d, (2,), (2, 4, 6, 6), "max_pool2d", lambda m, x: F.max_pool2d(x, 2)),
}


def gradients(function, module, x):
    x = x.clone().requires_grad_()
    y = function(x)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    return [y, *torch.autograd.grad(y, [x, *module.parameters()], upstream)]


@pytest.mark.parametrize("tier", ["builtin", "naive", "handmade"])
@pytest.mark.parametrize("name", LAYERS)
def test_same_bits_through_every_door(name, tier):
    cls, args, shape, function, call = LAYERS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    module = cls(*args)

    constructed = registry.parts[name].tiers["handmade"](*args, tier=tier)
    constructed.load_state_dict(module.state_dict())
    swapped = cls(*args)
    swapped.load_state_dict(module.state_dict())
    cl.swap(swapped, Parts({name: tier}))
    doors = [gradients(constructed, constructed, x), gradients(swapped, swapped, x)]

    with cl.use({function: tier}):
        doors.append(gradients(lambda x: call(module, x), module, x))
    functions = cls(*args)
    functions.load_state_dict(module.state_dict())
    cl.swap(functions, Parts({function: tier}), functions=True)
    doors.append(gradients(functions, functions, x))
    for results in doors[1:]:
        assert all(torch.equal(a, b) for a, b in zip(doors[0], results, strict=True))
