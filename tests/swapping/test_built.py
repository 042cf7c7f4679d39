"""A user's own classes as parts: by class assignment, or built anew."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import conceptlab as cl
from conceptlab.core import registry
from conceptlab.swapping.built import constructor_arguments
from conceptlab.swapping.wanted import Refused

OurReLU = registry.parts["ReLU"].tiers["handmade"]


class Own(nn.Module):
    """A layer with torch's constructor and state_dict, and no relation to torch's class."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, input):
        return 2 * F.linear(input, self.weight, self.bias)


class WithConstructor(nn.Linear):
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__(in_features, out_features, bias, device, dtype)
        self.constructed = True

    def forward(self, input):
        return 3 * super().forward(input)


class OfOurs(OurReLU):
    def forward(self, input):
        return super().forward(input) + 1


class OtherArguments(nn.Module):
    def __init__(self, width):
        super().__init__()


class OtherState(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(out_features, in_features))


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4, bias=False)).double()
    model.append(model[0])
    model[2].weight = model[0].weight
    return model


@pytest.fixture
def x():
    return torch.randn(3, 4, dtype=torch.float64)


@pytest.mark.parametrize(("cls", "factor"), [(Own, 2), (WithConstructor, 3), (f"{__name__}:Own", 2)])
def test_built_anew(model, x, cls, factor):
    state = torch.random.get_rng_state()
    old, weight, expected = model[0], model[0].weight, factor * model[0](x)
    model.eval()
    report = cl.swap(model, {"Linear": cls})
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model[3] is model[0]
    assert model[0].weight is model[2].weight is weight
    assert model[2].bias is None
    assert not model[0].training
    assert torch.equal(model[0](x), expected)
    assert "built anew; attributes set on the old one are lost" in str(report)
    model.train()
    report.undo()
    assert model[0] is model[3] is old
    assert old.training


def test_buffers_that_were_replaced_come_back():
    class Norm(nn.BatchNorm1d):
        def __init__(self, num_features, **kwargs):
            super().__init__(num_features, **kwargs)

    model = nn.Sequential(nn.BatchNorm1d(3, eps=0.5))
    old = model[0]
    report = cl.swap(model, {"BatchNorm1d": Norm})
    assert isinstance(model[0], Norm)
    assert model[0].eps == 0.5
    model.double()
    model(torch.randn(8, 3, dtype=torch.float64))
    report.undo()
    assert model[0] is old
    assert old.running_mean.dtype is torch.float64
    assert old.running_mean.abs().sum() > 0


def test_hooks_are_moved_and_can_be_removed(model, x):
    heard = []
    handle = model[0].register_forward_hook(lambda *_: heard.append("forward"))
    model[0].register_forward_pre_hook(lambda *_, **__: heard.append("pre"), with_kwargs=True)
    model[0].register_full_backward_hook(lambda *_: heard.append("backward"))
    cl.swap(model, {"Linear": Own})
    model[0](x.requires_grad_()).sum().backward()
    assert heard == ["pre", "forward", "backward"]
    handle.remove()
    model[0](x)
    assert heard[3:] == ["pre"]


def test_hooks_of_the_state_dict_are_refused(model):
    model[0].register_state_dict_post_hook(lambda *_: None)
    report = cl.swap(model, {"Linear": Own})
    assert [s.name for s in report.skipped] == ["0"]
    assert "state_dict_hooks" in report.skipped[0].reason
    assert isinstance(model[2], Own)


def test_root_and_parametrized_cannot_be_built_anew():
    report = cl.swap(nn.Linear(2, 2), {"Linear": Own})
    assert "it is the root" in report.skipped[0].reason
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
    report = cl.swap(model, {"Linear": Own})
    assert "remove the parametrization first" in report.skipped[0].reason


def test_subclass_of_a_conceptlab_class_is_assigned(model, x):
    report = cl.swap(model, {"ReLU": OfOurs})
    assert torch.equal(model[1](x), x.relu() + 1)
    assert model[1].tier == "handmade"
    assert report.swapped[0].way == "class"
    assert cl.swap(model, {"ReLU": OfOurs}).unchanged == 1
    assert [s.part for s in cl.swap(model, {"ReLU": "naive"}).skipped] == ["ReLU"]
    report.undo()
    assert type(model[1]) is nn.ReLU


@pytest.mark.parametrize(
    ("cls", "error", "words"),
    [
        (OtherArguments, TypeError, r"OtherArguments\(in_features=4, out_features=4\)"),
        (OtherState, ValueError, "expected the state_dict of Linear"),
    ],
)
def test_unfit_classes_are_refused_and_nothing_is_changed(model, cls, error, words):
    with pytest.raises(error, match=words):
        cl.swap(model, {"ReLU": "handmade", "Linear": cls})
    assert [type(m) for m in model] == [nn.Linear, nn.ReLU, nn.Linear, nn.Linear]


def test_copies(model, x):
    cl.swap(model, {"Linear": Own})
    copied = copy.deepcopy(model)
    assert torch.equal(copied(x), model(x))
    assert copied[2].weight is copied[0].weight


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Linear(2, 3, bias=False), {"in_features": 2, "out_features": 3, "bias": False}),
        (nn.Linear(2, 3), {"in_features": 2, "out_features": 3}),
        (nn.ReLU(inplace=True), {"inplace": True}),
        (nn.Hardtanh(-2, 2), {"min_val": -2, "max_val": 2}),
        (nn.BatchNorm2d(3, momentum=None, affine=False), {"num_features": 3, "momentum": None, "affine": False}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_constructor_arguments(module, expected):
    assert constructor_arguments(module, registry.parts[type(module).__name__]) == expected


def test_arguments_that_cannot_be_read():
    with pytest.raises(Refused, match="argument 'args' cannot be read off it"):
        constructor_arguments(nn.LSTM(1, 1), SimpleNamespace(torch=nn.LSTM))
