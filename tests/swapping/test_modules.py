"""Swapping layers: what stays, what is left alone, and how it is taken back."""

import copy
import dataclasses
import io
import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import conceptlab as cl
from conceptlab.core import Tiered, registry


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.act = nn.ReLU()
        self.last = nn.Linear(5, 3)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


class Doubled(nn.Linear):
    """Marks its result, so that it is seen to have run."""

    def forward(self, input):
        return 2 * super().forward(input)


class Own(nn.Module):
    """A layer with torch's constructor and state_dict, and no relation to torch's class."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, input):
        return 2 * F.linear(input, self.weight, self.bias)


@pytest.fixture
def x():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().double()


def gradients(model, x):
    model.zero_grad()
    y = model(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype))
    return [y.detach(), *(p.grad.clone() for p in model.parameters())]


def assert_same(left, right):
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_values_and_gradients_stay(net, x, tier):
    expected = gradients(net, x)
    report = cl.swap(net, tier)
    assert [entry.name for entry in report.swapped] == ["first", "act", "last"]
    assert all(isinstance(m, Tiered) and m.tier == tier for m in (net.first, net.act, net.last))
    assert_same(gradients(net, x), expected)


def test_back_to_builtin(net):
    cl.swap(net, "handmade")
    cl.swap(net, "builtin")
    assert type(net.first) is nn.Linear
    assert "ops" not in vars(net.first)
    assert "agrees with what is there (3)" in str(cl.swap(net, "builtin"))


def test_change_of_tier_and_undo_step_by_step(net):
    first = cl.swap(net, "handmade")
    second = cl.swap(net, {"linear": "naive"})
    assert [(s.before, s.after, s.way) for s in second.swapped] == [("handmade", "naive", "tier")] * 2
    second.undo()
    assert net.first.tier == "handmade"
    first.undo()
    first.undo()
    assert type(net.first) is nn.Linear
    assert type(net.act) is nn.ReLU


def test_handmade_code_ran(net, x):
    expected = net.last(net.act(2 * net.first(x))).detach()
    cl.swap(net, {"Linear": Doubled}, only="first")
    assert_same(net(x).detach(), expected)


def test_tier_ran(net, x, monkeypatch):
    from conceptlab.core import namespace

    ops = namespace("nn", "handmade")
    linear = ops.linear
    cl.swap(net, "handmade")
    expected = net(x).detach()
    monkeypatch.setattr(ops, "linear", lambda *args: linear(*args) + 1)
    assert not torch.allclose(net(x), expected)


def test_only(net):
    assert [s.name for s in cl.swap(net, "handmade", only="f*").swapped] == ["first"]
    assert [s.name for s in cl.swap(net, "naive", only=["act", "la?t"]).swapped] == ["act", "last"]
    assert [s.name for s in cl.swap(net, "naive", only=lambda name: name == "first").swapped] == ["first"]


def test_nothing_found_says_so():
    report = cl.swap(nn.Sequential(nn.Flatten()), "handmade")
    assert str(report) == "Nothing to swap: no part that the setting speaks of was found."
    assert not report.swapped


def test_strict_names_what_matched_nothing_and_changes_nothing(net):
    with pytest.raises(ValueError, match=r"parts\.PReLU \(matched nothing\)"):
        cl.swap(net, {"Linear": "naive", "PReLU": "handmade"}, strict=True)
    assert type(net.first) is nn.Linear
    with pytest.raises(ValueError, match=r"only='none\*' \(matched nothing\)"):
        cl.swap(net, "handmade", only=["first", "none*"], strict=True)
    with pytest.raises(ValueError, match="Bilinear"):
        cl.swap(nn.Sequential(nn.ReLU(), nn.Bilinear(1, 1, 1)), "handmade", strict=True)
    cl.swap(net, {"default": "handmade", "Linear": "naive"}, strict=True)


def test_root_is_a_part(x):
    layer = nn.Linear(4, 2)
    report = cl.swap(layer, "handmade")
    assert layer.tier == "handmade"
    assert "(the root)" in str(report)


def test_only_torchs_objects_are_targets():
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        cl.swap(F.relu, "handmade")


def test_hooks_stay(net, x):
    heard = []
    net.first.register_forward_hook(lambda *_: heard.append("forward"))
    net.first.register_full_backward_hook(lambda *_: heard.append("backward"))
    handle = net.first.register_forward_pre_hook(lambda *_: heard.append("pre"))
    cl.swap(net, "handmade")
    x.requires_grad_()
    gradients(net, x)
    assert heard == ["pre", "forward", "backward"]
    handle.remove()
    gradients(net, x)
    assert heard[3:] == ["forward", "backward"]


def test_aliases_and_tied_weights_stay():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model.append(model[0])
    report = cl.swap(model, "handmade")
    assert len(report.swapped) == 2
    assert model[2] is model[0]
    assert model[1].weight is model[0].weight
    assert [s.name for s in cl.swap(model, "naive", only="2").swapped] == ["0"]  # under its other name


def test_optimizer_and_isinstance_stay(net, x):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    cl.swap(net, "handmade")
    assert isinstance(net.first, nn.Linear)
    before = net.first.weight.detach().clone()
    gradients(net, x)
    optimizer.step()
    assert not torch.equal(net.first.weight, before)


@pytest.mark.parametrize("functions", [False, True], ids=["modules", "functions"])
def test_copies_and_files(net, x, functions):
    cl.swap(net, "handmade", functions=functions)
    expected = net(x)
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), loaded):
        assert copied.first.tier == "handmade"
        assert type(copied) is type(net)
        assert torch.equal(copied(x), expected)
    plain = Net().double()
    plain.load_state_dict(net.state_dict())
    net.load_state_dict(plain.state_dict())
    assert list(plain.state_dict()) == list(net.state_dict())


def test_users_subclass_is_left_alone(net, x):
    net.first.__class__ = Doubled
    report = cl.swap(net, "handmade")
    assert type(net.first) is Doubled
    assert [(s.name, s.part) for s in report.skipped] == [("first", "Linear")]
    assert "Doubled subclasses Linear, and may override anything" in str(report)
    with pytest.raises(ValueError, match="Doubled subclasses Linear"):
        cl.swap(net, "naive", strict=True)


def test_layer_that_is_not_by_hand_is_reported():
    report = cl.swap(nn.Sequential(nn.Bilinear(1, 1, 1), nn.Identity(), nn.Flatten()), "handmade")
    assert [s.part for s in report.skipped] == ["Bilinear"]
    assert not cl.swap(nn.Bilinear(1, 1, 1), {"Linear": "handmade"}).skipped


def test_replaced_forward_is_reported(net):
    net.first.forward = lambda x: x
    report = cl.swap(net, "handmade")
    assert [s.name for s in report.skipped] == ["first"]
    assert "replaced on the object" in report.skipped[0].reason


@pytest.mark.filterwarnings("ignore:.*torch.jit.*", "ignore:.*trace.*:FutureWarning")
def test_scripted_modules_are_refused(net):
    scripted = torch.jit.trace(nn.Linear(4, 4), torch.randn(1, 4))
    with pytest.raises(TypeError, match="which is scripted"):
        cl.swap(scripted, "handmade")
    report = cl.swap(nn.Sequential(nn.ReLU(), scripted), "handmade")
    assert [s.name for s in report.skipped] == ["1"]
    assert "scripted" in report.skipped[0].reason


def test_parametrized(x):
    layer = nn.Linear(4, 3, dtype=torch.float64)
    parametrizations.weight_norm(layer)
    expected = gradients(layer, x)
    report = cl.swap(layer, "handmade")
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, Tiered)
    assert_same(gradients(layer, x), expected)
    assert_same(gradients(copy.deepcopy(layer), x), expected)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer).__name__ == "Linear"
    assert layer.tier == "handmade"
    assert_same(layer(x).detach(), expected[0])
    report.undo()
    assert type(layer) is nn.Linear


def test_parametrized_undo_before_removal(x):
    layer = parametrizations.spectral_norm(nn.Linear(4, 3, dtype=torch.float64)).eval()
    expected = layer(x)
    report = cl.swap(layer, "handmade")
    assert_same(layer(x), expected)
    report.undo()
    assert not isinstance(layer, Tiered)
    assert_same(layer(x), expected)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear


def test_parametrized_after_swap(x):
    layer = nn.Linear(4, 3, dtype=torch.float64)
    cl.swap(layer, "handmade")
    parametrizations.weight_norm(layer)
    assert_same(layer(x), F.linear(x, layer.weight, layer.bias))
    cl.swap(layer, "builtin")
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy(x):
    x = x.float()
    model = nn.Sequential(nn.LazyLinear(5), nn.ReLU())
    report = cl.swap(model, "handmade")
    assert "once its shape is known" in str(report)
    assert cl.swap(model, "handmade").unchanged == 2
    copied = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    for lazy in (copied, model):
        y = lazy(x)
        assert type(lazy[0]).__module__.startswith("conceptlab.concepts")
        assert lazy[0].tier == "handmade"
        torch.testing.assert_close(y, F.linear(x, lazy[0].weight, lazy[0].bias).relu())
    report.undo()
    assert type(model[0]) is nn.Linear


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_runs_the_swapped_code_from_the_first_input_on(x):
    layer = nn.LazyLinear(5, dtype=torch.float64)
    cl.swap(layer, {"Linear": Doubled})
    assert_same(layer(x), 2 * F.linear(x, layer.weight, layer.bias))
    assert type(layer) is Doubled


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_undone_while_lazy(x):
    layer = nn.LazyLinear(5, dtype=torch.float64)
    first = cl.swap(layer, "handmade")
    cl.swap(layer, "naive").undo()
    assert layer.tier == "handmade"
    first.undo()
    assert type(layer) is nn.LazyLinear
    cl.swap(layer, "handmade")
    cl.swap(layer, "builtin")
    assert type(layer) is nn.LazyLinear
    report = cl.swap(nn.Sequential(layer), {"Linear": Own})
    assert "swap after the first forward" in report.skipped[0].reason
    layer(x)
    assert type(layer) is nn.Linear


def test_torchs_alias_of_linear():
    attention = nn.MultiheadAttention(4, 2)
    report = cl.swap(attention, {"Linear": "handmade"})
    assert attention.out_proj.tier == "handmade"
    assert "never calls it" in str(report)
    report.undo()
    assert type(attention.out_proj).__name__ == "NonDynamicallyQuantizableLinear"


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_transformer_layer_holds_a_function_and_has_a_fast_path():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=torch.float64)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    padded = torch.arange(5).expand(2, 5) >= torch.tensor([[5], [3]])
    with torch.no_grad():
        expected = encoder(x), encoder(x, src_key_padding_mask=padded)[1, :3]
    report = cl.swap(encoder, {"linear": "handmade", "relu": "handmade"})
    assert {s.name for s in report.swapped if s.part == "relu"} == {"layers.0.activation", "layers.1.activation"}
    assert "fused path" in str(report)
    heard = []
    encoder.layers[0].linear1.__class__ = type(
        "Heard",
        (type(encoder.layers[0].linear1),),
        {"forward": lambda self, x: heard.append(1) or super(type(self), self).forward(x)},
    )
    with torch.no_grad():
        assert_same(encoder(x), expected[0])
        assert_same(encoder(x, src_key_padding_mask=padded)[1, :3], expected[1])
    assert len(heard) == 2
    encoder.layers[0].linear1.__class__ = type(encoder.layers[1].linear1)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(encoder)))
    with torch.no_grad():
        assert_same(copied(x), expected[0])
    report.undo()
    assert encoder.layers[0].activation is F.relu
    assert encoder.layers[0].activation_relu_or_gelu == 1
    assert encoder.use_nested_tensor


def test_held_function_back_to_builtin_and_of_the_users_own():
    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = torch.relu_

    model = Holds()
    cl.swap(model, "handmade")
    x = torch.tensor([-1.0, 2.0])
    assert model.f(x) is x
    assert x.tolist() == [0, 2]
    assert "handmade" in repr(model.f)
    cl.swap(model, {"relu": marked_relu})
    assert model.f(torch.tensor([2.0])).tolist() == [3]
    assert cl.swap(model, {"relu": marked_relu}).unchanged == 1
    cl.swap(model, "builtin")
    assert model.f is torch.relu_


def lacks_naive(monkeypatch, *names):
    for name in names:
        part = registry.parts[name]
        tiers = {tier: found for tier, found in part.tiers.items() if tier != "naive"}
        monkeypatch.setitem(registry._parts, name, dataclasses.replace(part, tiers=tiers))


def test_tier_that_a_part_lacks(monkeypatch):
    lacks_naive(monkeypatch, "Linear", "relu", "SGD")
    model = nn.TransformerEncoderLayer(4, 1, 4)
    report = cl.swap(model, "naive")
    assert {(s.name, s.part) for s in report.skipped if "no tier 'naive'" in s.reason} == {
        ("activation", "relu"),
        ("self_attn.out_proj", "Linear"),
        ("linear1", "Linear"),
        ("linear2", "Linear"),
    }
    optimizer = torch.optim.SGD(model.parameters())
    assert "no tier 'naive' (only builtin, handmade)" in str(cl.swap(optimizer, "naive"))
    with pytest.raises(NotImplementedError, match=r"parts\.Linear: expected a tier that it has"):
        cl.swap(model, {"Linear": "naive"})


def test_modules_that_hold_their_parent_or_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[1].parent = model
    model.register_module("empty", None)
    assert [s.name for s in cl.swap(model, "handmade").swapped] == ["0", "1"]


@pytest.mark.slow
def test_saved_model_loads_in_a_new_process(tmp_path, net, x):
    cl.swap(net, "handmade")
    layers = nn.Sequential(net.first, net.act, net.last)
    torch.save((layers, x, layers(x).detach()), tmp_path / "model.pt")
    code = (
        "import sys, torch; model, x, y = torch.load(sys.argv[1], weights_only=False); "
        "assert model[0].tier == 'handmade'; assert torch.equal(model(x), y)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.pt")], check=True)


def marked_relu(input, inplace=False):
    return F.relu(input) + 1
