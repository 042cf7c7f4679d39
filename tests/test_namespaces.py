"""The parts under torch's own names: conceptlab.nn, nn.functional, nn.init, nn.utils, optim, transforms."""

import importlib
import inspect
import pickle

import pytest
import torch

from conceptlab import nn, optim, transforms
from conceptlab.core import registry
from conceptlab.nn import functional as F
from conceptlab.nn import init, utils
from conceptlab.optim import lr_scheduler

NAMESPACES = {module.__name__: module for module in (nn, F, init, utils, optim, lr_scheduler, transforms)}


@pytest.mark.parametrize("part", registry.parts.values(), ids=registry.parts)
def test_every_part_stands_where_torch_has_it(part):
    found = getattr(NAMESPACES[part.public_home], part.name)
    by_hand = [value for tier, value in part.tiers.items() if tier != "builtin"]
    if part.is_class:
        assert found in by_hand
    else:
        assert found.__name__ == part.name
        signature = inspect.signature(found)
        assert [*inspect.signature(by_hand[0]).parameters, "tier"] == list(signature.parameters)
        assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize("module", NAMESPACES.values(), ids=NAMESPACES)
def test_everything_that_is_listed_is_there_and_is_imported_by_a_star(module):
    names: dict = {}
    exec(f"from {module.__name__} import *", names)
    assert set(module.__all__) <= set(names)
    assert dir(module) == sorted(module.__all__)


def test_a_layer_that_is_not_by_hand_names_torchs():
    # of torch, and of nobody's concern here
    with pytest.raises(AttributeError, match=r"torch's own is torch\.nn\.AdaptiveLogSoftmaxWithLoss"):
        nn.AdaptiveLogSoftmaxWithLoss  # noqa: B018
    with pytest.raises(AttributeError, match=r"torch\.nn\.functional\.ctc_loss"):
        F.ctc_loss  # noqa: B018
    with pytest.raises(AttributeError, match=r"torch\.optim\.LBFGS"):
        optim.LBFGS  # noqa: B018
    with pytest.raises(AttributeError, match=r"torch\.optim\.lr_scheduler\.CyclicLR"):
        lr_scheduler.CyclicLR  # noqa: B018
    with pytest.raises(AttributeError, match=r"torchvision\.transforms\.v2\.AugMix"):
        transforms.AugMix  # noqa: B018
    with pytest.raises(ImportError):
        from conceptlab.nn import AdaptiveLogSoftmaxWithLoss  # noqa: F401


def test_an_unknown_name_gets_a_proposal():
    with pytest.raises(AttributeError, match="Did you mean 'Linear'"):
        nn.Liner  # noqa: B018
    assert not hasattr(nn, "__wrapped__")


@pytest.mark.parametrize("module", NAMESPACES.values(), ids=NAMESPACES)
def test_what_is_passed_through_is_torchs(module):
    theirs = importlib.import_module(module._surface.torchs.__name__)
    for name in module._surface.passes:
        assert getattr(module, name) is getattr(theirs, name)


def test_tiers_of_functions():
    x = torch.randn(4)
    expected = torch.relu(x)
    for tier in registry.parts["relu"].tiers:
        assert torch.equal(F.relu(x, tier=tier), expected)
        assert torch.equal(F.relu_(x.clone(), tier=tier), expected)
    x.requires_grad_()
    assert F.relu(x, tier="builtin").grad_fn.name() == "ReluBackward0"
    assert F.relu(x).grad_fn.name() != "ReluBackward0"
    with pytest.raises(ValueError, match=r"relu\(tier='nave'\).*Did you mean 'naive'"):
        F.relu(x, tier="nave")


def test_functions_compile_whole():
    def twice(x):
        return F.relu(F.relu(x, tier="naive"))

    x = torch.randn(4, requires_grad=True)
    compiled = torch.compile(twice, fullgraph=True, backend="aot_eager")
    compiled(x).sum().backward()
    assert torch.equal(x.grad, (x > 0).float())


def test_all_doors_give_the_same_bits():
    import conceptlab as cl

    x = torch.randn(5, 4)
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    torch.manual_seed(0)
    swapped = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    expected = ours(x)
    line = swapped[0]
    assert torch.equal(F.relu(F.linear(x, line.weight, line.bias)), expected)
    with cl.use("handmade"):
        assert torch.equal(torch.relu(torch.nn.functional.linear(x, line.weight, line.bias)), expected)
    cl.swap(swapped, "handmade")
    assert torch.equal(swapped(x), expected)
