"""Swap, use and torch.compile: before and after, and without a graph break."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import conceptlab as cl

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


def marked(input, inplace=False):
    return torch.clamp(input, min=0) + 1


def other_mark(input, inplace=False):
    return torch.clamp(input, min=0) + 2


class Marked(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


class Own(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, input):
        return 3 * F.linear(input, self.weight, self.bias)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.act = F.relu

    def forward(self, x):
        return F.relu(self.act(self.layer(x)) - 0.1)


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def x():
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def compiled(module, in_place=False):
    if in_place:
        module.compile(backend="aot_eager", fullgraph=True)
        return module
    return torch.compile(module, backend="aot_eager", fullgraph=True)


def gradients(model, x):
    model.zero_grad()
    y = model(x)
    y.backward(torch.arange(float(y.numel())).reshape(y.shape))
    return [y.detach(), *(p.grad.clone() for p in model.parameters())]


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [False, True], ids=["torch.compile", "module.compile"])
def test_swapped_after_it_was_compiled(x, in_place):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    code = compiled(model, in_place)
    expected = code(x)
    reports = []
    for cls, factor in ((Marked, 2), (Own, 3)):
        reports.append(cl.swap(code, {"Linear": cls}))
        assert torch.equal(code(x), factor * expected)
        reports.pop().undo()
        assert torch.equal(code(x), expected)
    for tier in ("handmade", "naive", "handmade", "builtin"):
        assert cl.swap(code, tier, only="*0").swapped
        torch.testing.assert_close(gradients(code, x), gradients(nn.Sequential(*model), x))


def test_change_of_tier_recompiles(x, monkeypatch):
    from conceptlab.core import namespace

    ops = namespace("nn", "naive")
    linear = ops.linear
    monkeypatch.setattr(ops, "linear", lambda *args: linear(*args) + 1)
    model = nn.Linear(4, 3)
    cl.swap(model, "handmade")
    code = compiled(model)
    expected = code(x)
    model.tier = "naive"
    torch.testing.assert_close(code(x), expected + 1)
    model.tier = "handmade"
    torch.testing.assert_close(code(x), expected)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_compiled_after_the_swap(x, tier):
    model = Net()
    expected = gradients(model, x)
    cl.swap(model, tier, functions=True)
    torch.testing.assert_close(gradients(compiled(model), x), expected)


def test_functions_after_it_was_compiled(x):
    model = Net()
    code = compiled(model)
    expected = code(x)
    report = cl.swap(code, {"relu": marked}, functions=True, only="nothing")
    assert torch.equal(code(x), marked(marked(model.layer(x)) - 0.1))
    report.undo()
    assert torch.equal(code(x), expected)


def test_use_around_and_inside_compiled_code(x):
    def function(x):
        return torch.relu(x) + x.relu()

    code = torch.compile(function, backend="aot_eager", fullgraph=True)
    assert torch.equal(code(x), 2 * F.relu(x))
    with cl.use({"relu": marked}):
        assert torch.equal(code(x), 2 * marked(x))
    with cl.use({"relu": other_mark}):
        assert torch.equal(code(x), 2 * other_mark(x))
    assert torch.equal(code(x), 2 * F.relu(x))
    block = cl.use({"relu": marked})

    def inside(x):
        with block:
            y = torch.relu(x)
        return y + torch.relu(x)

    code = torch.compile(inside, backend="aot_eager", fullgraph=True)
    assert torch.equal(code(x), marked(x) + F.relu(x))


def test_nested_use_in_compiled_code(x):
    def function(x):
        with inner:
            return torch.relu(x)

    code = torch.compile(function, backend="aot_eager", fullgraph=True)
    for setting, expected in ((other_mark, other_mark(x)), ("builtin", F.relu(x))):
        inner = cl.use({"relu": setting})
        with cl.use({"relu": marked}):
            assert torch.equal(code(x), expected)


def test_use_compiles_forward_and_backward(x):
    x.requires_grad_()
    weight = torch.randn(2, 4, requires_grad=True)

    def function(x, weight):
        return F.relu(F.linear(x, weight))

    code = torch.compile(function, backend="aot_eager", fullgraph=True)
    expected = torch.autograd.grad(function(x, weight).square().sum(), (x, weight))
    with cl.use("handmade"):
        actual = torch.autograd.grad(code(x, weight).square().sum(), (x, weight))
    torch.testing.assert_close(actual, expected)


def test_parametrized_compiles(x):
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    code = compiled(layer)
    expected = code(x)
    cl.swap(layer, {"Linear": Marked})
    torch.testing.assert_close(code(x), 2 * expected)
