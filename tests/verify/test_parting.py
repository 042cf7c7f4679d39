"""`first_difference`: it names the module in which a fault was planted, and accuses nobody of rounding."""

import copy
import random

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.checkpoint import checkpoint

import conceptlab as cl

FAULT = 1 + 1e-6


class WrongGradient(torch.autograd.Function):
    """The identity, with a gradient that is slightly wrong."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * FAULT


class WrongInPlace(torch.autograd.Function):
    """A ReLU that writes to its input, with a gradient that is slightly wrong."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.save_for_backward(x > 0)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0] * FAULT


def subclassed(module: nn.Module, forward) -> None:
    """Give a module a forward of its own, which is called with the inherited one."""
    cls = type(module)
    body = {"forward": lambda self, *inputs: forward(self, super(own, self).forward, *inputs)}
    own = module.__class__ = type(f"Wrong{cls.__name__}", (cls,), body)


def wrong_output(self, forward, x):
    return forward(x) * FAULT


def wrong_input_gradient(self, forward, x):
    return forward(WrongGradient.apply(x))


def wrong_weight_gradient(self, forward, x):
    # found before the parameter of that name
    vars(self)["weight"] = WrongGradient.apply(self._parameters["weight"])
    try:
        return forward(x)
    finally:
        del vars(self)["weight"]


def pair(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    return model, copy.deepcopy(model)


def named(found) -> tuple:
    return found.name, found.phase, found.what


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(), torch.randn(2, 3, 64, 64)


LAYERS = {
    "conv1": "conv",
    "bn1": "norm",
    "maxpool": "other",
    "layer1.0.conv2": "conv",
    "layer1.1.bn1": "norm",
    "layer2.0.downsample.0": "conv",
    "layer2.0.downsample.1": "norm",
    "layer3.1.conv1": "conv",
    "layer4.1.bn2": "norm",
    "fc": "conv",
}


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_a_wrong_output_in_resnet18(resnet, layer):
    a, b = pair(resnet[0])
    subclassed(b.get_submodule(layer), wrong_output)
    found = cl.first_difference(a, b, resnet[1])
    assert named(found) == (layer, "forward", "output")
    assert found.difference == pytest.approx(1e-6, rel=0.01)
    assert all(row.agrees for row in found.rows[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_a_wrong_input_gradient_in_resnet18(resnet, layer):
    a, b = pair(resnet[0])
    subclassed(b.get_submodule(layer), wrong_input_gradient)
    assert named(cl.first_difference(a, b, resnet[1])) == (layer, "backward", "input gradient")


@pytest.mark.slow
@pytest.mark.parametrize("layer", [name for name in LAYERS if name != "maxpool"])
def test_a_wrong_weight_gradient_in_resnet18(resnet, layer):
    a, b = pair(resnet[0])
    subclassed(b.get_submodule(layer), wrong_weight_gradient)
    found = cl.first_difference(a, b, resnet[1])
    assert named(found) == (layer, "backward", "gradient of weight")
    assert found.difference == pytest.approx(1e-6, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_handmade_resnet18_is_the_same(resnet, dtype):
    a, b = pair(resnet[0])
    cl.swap(b, "handmade", functions=True)
    found = cl.first_difference(a, b, resnet[1], dtype=dtype)
    assert found.agree, str(found)
    assert {row.phase for row in found.rows} == {"forward", "backward"}


@pytest.mark.slow
@pytest.mark.parametrize("network", ["densenet121", "mobilenet_v3_small", "googlenet"])
def test_other_networks_handmade_are_the_same(network):
    torch.manual_seed(0)
    model = torchvision.models.get_model(
        network, weights=None, **({"init_weights": False} if network[0] == "g" else {})
    )
    a, b = pair(model)
    cl.swap(b, "handmade", functions=True)
    found = cl.first_difference(a, b, torch.randn(2, 3, 64, 64))
    assert found.agree, str(found)


class Block(nn.Module):
    """Functions between modules, one module called twice, a skip connection, dropout."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=inplace)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.rand(4, 1, 1))

    def act(self, x):
        return torch.tanh(x)

    def forward(self, x):
        y = self.relu(self.norm1(x))
        y = self.act(self.conv(y)) * self.scale
        y = self.relu(self.norm2(y))
        y = self.conv(y)
        y += x
        return self.dropout(y)


class Net(nn.Module):
    def __init__(self, **kwargs) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.block1 = Block(**kwargs)
        self.block2 = Block(**kwargs)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.block2(self.block1(self.stem(x))).mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def x():
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tier", ["handmade", "naive", "builtin"])
def test_parts_that_are_right_are_the_same(net, x, tier):
    a, b = pair(net)
    cl.swap(b, tier, functions=True)
    found = cl.first_difference(a, b, x)
    assert found.agree, str(found)
    assert (found.name, found.what, found.classes, found.state, found.notes) == (None, None, None, (), ())
    # both calls of a module are there
    assert {row.call for row in found.rows if row.name == "block2.conv" and row.what == "input gradient"} == {1, 2}
    assert "No difference in " in str(found)


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(
    ("wrong", "expected"),
    [(wrong_output, ("forward", "output")), (wrong_input_gradient, ("backward", "input gradient"))],
)
@pytest.mark.parametrize("layer", ["block1.conv", "block1.relu"])
def test_one_of_two_calls(net, x, call, wrong, expected, layer):
    def at_that_call(self, forward, x):
        self.times = getattr(self, "times", 0) + 1
        return wrong(self, forward, x) if self.times == call else forward(x)

    a, b = pair(net)
    subclassed(b.get_submodule(layer), at_that_call)
    found = cl.first_difference(a, b, x)
    assert (*named(found), found.call) == (layer, *expected, call)
    assert (f"{layer} (call 2)" in found.sentence) == (call == 2)


def test_a_weight_that_is_used_twice(net, x):
    a, b = pair(net)
    subclassed(b.block1.conv, wrong_weight_gradient)
    found = cl.first_difference(a, b, x)
    assert (*named(found), found.call) == ("block1.conv", "backward", "gradient of weight", 0)


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("layer", ["norm1", "relu", "norm2", "dropout"])
def test_layers_before_and_after_what_is_done_in_place(x, inplace, layer):
    torch.manual_seed(0)
    a, b = pair(Net(inplace=inplace))
    subclassed(b.block2.get_submodule(layer), wrong_input_gradient)
    assert named(cl.first_difference(a, b, x)) == (f"block2.{layer}", "backward", "input gradient")


def test_a_module_that_writes_to_what_others_take_as_well(x):
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.branch = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))
            self.side = nn.Conv2d(3, 3, 1)
            self.identity = nn.Sequential(nn.Identity())

        def forward(self, x):
            x = self.conv(x)
            y = self.branch(x)
            z = self.identity(self.side(x))  # of what the branch has left in x
            z += y
            return z

    torch.manual_seed(0)
    a, b = pair(Skip())
    expected = a.side(a.conv(x).relu()) + a.branch[1](a.conv(x).relu())
    torch.testing.assert_close(a(x), expected)
    cl.swap(b, "handmade")
    assert cl.first_difference(a, b, x).agree
    for name in ("branch.1", "side", "identity.0"):
        b = copy.deepcopy(a)
        subclassed(b.get_submodule(name), wrong_output)
        assert named(cl.first_difference(a, b, x)) == (name, "forward", "output")
    for name in ("conv", "branch.1", "side"):
        b = copy.deepcopy(a)
        subclassed(b.get_submodule(name), wrong_input_gradient)
        assert named(cl.first_difference(a, b, x)) == (name, "backward", "input gradient")
    b = copy.deepcopy(a)
    subclassed(b.branch[0], lambda self, forward, x: WrongInPlace.apply(x))
    assert named(cl.first_difference(a, b, x)) == ("branch.0", "backward", "input gradient")
    # one that does not write, where the other one does: the branch leaves something else in x
    b = copy.deepcopy(a)
    b.branch[0].inplace = False
    assert named(cl.first_difference(a, b, x)) == ("", "forward", "input to side")


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda x: torch.tanh(x) * FAULT, ("block2", "forward", "input to block2.norm2")),
        (lambda x: torch.tanh(WrongGradient.apply(x)), ("block2", "backward", "gradient of the output of block2.conv")),
    ],
)
def test_functions_belong_to_the_forward_that_calls_them(net, x, act, expected):
    a, b = pair(net)
    b.block2.act = act
    assert named(cl.first_difference(a, b, x)) == expected


def test_what_is_made_of_a_blocks_last_modules_result_is_the_callers(net, x):
    class WrongNet(Net):
        def forward(self, x):
            # the block's result is its dropout's
            return self.head(WrongGradient.apply(self.block2(self.block1(self.stem(x)))).mean((2, 3)))

    a, b = pair(net)
    b.__class__ = WrongNet
    assert named(cl.first_difference(a, b, x)) == ("", "backward", "gradient of the output of block2")


def test_the_last_operation_of_a_block_is_the_blocks(net, x):
    a, b = pair(net)
    subclassed(b.block1, wrong_output)
    found = cl.first_difference(a, b, x)
    assert named(found) == ("block1", "forward", "output")
    assert found.classes == (f"{__name__}.Block", f"{__name__}.WrongBlock")
    a, b = pair(net)
    subclassed(b.block1, wrong_input_gradient)
    assert named(cl.first_difference(a, b, x)) == ("block1", "backward", "input gradient")
    a, b = pair(net)
    subclassed(b, wrong_output)
    found = cl.first_difference(a, b, x)
    assert named(found) == ("", "forward", "output")
    assert "They part forward at (the root): its output differs by 1.0e-06, with 1.0e-09 allowed. a: " in str(found)


def test_what_differs_is_in_the_last_row_and_the_sentence(net, x):
    a, b = pair(net)
    cl.swap(b, "handmade", only="head")
    subclassed(b.head, wrong_output)
    found = cl.first_difference(a, b, x)
    last = found.rows[-1]
    assert (last.name, last.phase, last.what, last.call) == ("head", "forward", "output", 1) == (*named(found), 1)[:4]
    assert (last.difference, last.bound) == (found.difference, found.bound)
    assert found.bound == pytest.approx(1e-9, rel=0.01)
    assert found.classes == ("torch.nn.Linear", f"{__name__}.WrongLinear")
    assert found.sentence.startswith("They part forward at head: its output differs by 1.0e-06")
    assert "<- differs" in str(found).splitlines()[-2]
    cl.swap(b, {"Linear": "naive"}, only="nothing")
    assert cl.first_difference(b, a, x).classes == found.classes[::-1]


def test_a_gradient_that_is_zero_from_ones():
    torch.manual_seed(0)
    a, b = pair(nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1)))
    subclassed(b[1], wrong_input_gradient)
    assert named(cl.first_difference(a, b, torch.randn(5, 4))) == ("1", "backward", "input gradient")


def test_a_buffer_that_is_not_kept_up(net, x):
    def forgets(self, forward, x):
        return F.batch_norm(x, None, None, self.weight, self.bias, True)

    a, b = pair(net)
    subclassed(b.block1.norm2, forgets)
    assert named(cl.first_difference(a, b, x)) == ("block1.norm2", "forward", "buffer running_mean")
    assert cl.first_difference(a.eval(), b.train(), x).name == "block1.norm1"


def test_gradients_that_are_missing(net, x):
    a, b = pair(net)
    subclassed(b.block2.norm1, lambda self, forward, x: forward(x.detach()))
    found = cl.first_difference(a, b, x)
    assert named(found) == ("block2.norm1", "backward", "input gradient")
    assert "differs in kind (only a has one)" in found.sentence
    found = cl.first_difference(b, a, x)
    assert named(found) == ("block2.norm1", "backward", "input gradient")
    assert "(only b has one)" in found.sentence
    a, b = pair(net)
    subclassed(b.block1, lambda self, forward, x: forward(x).detach())
    found = cl.first_difference(a, b, x)
    assert named(found) == ("block1", "backward", "output")
    assert "only a has a gradient there" in found.sentence
    a, b = pair(net)
    subclassed(b.block1.conv, lambda self, forward, x: F.conv2d(x, self.weight.detach(), self.bias, padding=1))
    assert named(cl.first_difference(a, b, x)) == ("block1.conv", "backward", "gradient of weight")


def test_the_hooks_of_modules_and_parameters_are_the_models(net, x):
    a, b = pair(net)
    b.block2.norm1.register_forward_pre_hook(lambda module, inputs: (inputs[0] * FAULT,))
    found = cl.first_difference(a, b, x)
    assert (found.name, found.phase) == ("block2.norm1", "forward")
    a, b = pair(net)
    b.head.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * FAULT,))
    assert named(cl.first_difference(a, b, x)) == ("head", "backward", "input gradient")
    a, b = pair(net)
    handle = b.head.bias.register_hook(lambda gradient: gradient * FAULT)
    assert named(cl.first_difference(a, b, x)) == ("head", "backward", "gradient of bias")
    b.block2.scale.register_hook(lambda gradient: gradient * FAULT)
    handle.remove()
    assert named(cl.first_difference(a, b, x)) == ("block2", "backward", "gradient of scale")


class Uneven(nn.Module):
    """The identity up to rounding: some numbers become a neighbouring one, those at odd places."""

    def forward(self, x):
        eps = torch.finfo(x.dtype).eps
        return x * (1 + eps * (torch.arange(x.numel()).view_as(x) % 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_tie_that_rounding_has_broken_is_nobodys_fault(dtype):
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2))
    a, b = pair(model)
    a[1], b[1] = nn.Identity(), Uneven()
    plain = torch.ones(4, 1, 4, 4)
    found = cl.first_difference(a, b, plain, dtype=dtype)
    assert found.agree, str(found)

    class OtherTie(nn.MaxPool2d):
        def forward(self, x):
            return super().forward(x.flip(3)).flip(3)

    b[2] = OtherTie(2)
    assert named(cl.first_difference(a, b, plain, dtype=dtype)) == ("2", "backward", "input gradient")


def test_a_gate_that_rounding_has_turned_is_nobodys_fault():
    class Shifted(nn.Module):
        def forward(self, x):
            return x - 5e-8

    # a ReLU at rounding distance of 0, in float32
    a = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(4, 2))
    b = copy.deepcopy(a)
    b[0] = Shifted()
    x = torch.tensor([[0.9, -1.2, 3e-8, 0.3]]).repeat(8, 1)
    found = cl.first_difference(a, b, x, dtype=torch.float32)
    assert found.agree, str(found)
    assert named(cl.first_difference(a, b, x)) == ("0", "forward", "output")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_sums_that_cancel_are_nobodys_fault(dtype):
    class Backwards(nn.Conv2d):
        """Sums in another order."""

        def forward(self, x):
            y = F.conv2d(x.flip(0, 2, 3), self.weight.flip(2, 3), None, 1, self.padding).flip(0, 2, 3)
            return y + self.bias[:, None, None]

    class Same(nn.Module):
        def forward(self, x):
            return x.mean((0, 2, 3))

    class Mean(nn.Module):
        def forward(self, x):
            return x.flip(0, 2, 3).cumsum(0)[-1].mean((1, 2)) / len(x)

    torch.manual_seed(0)
    # the bias before a batch normalization has no gradient, the mean after it no value, and neither has a digit
    a = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), Same(), nn.Linear(32, 4))
    b = copy.deepcopy(a)
    b[0].__class__, b[2].__class__ = Backwards, Mean
    x = torch.randn(8, 3, 12, 12)
    found = cl.first_difference(a, b, x, dtype=dtype)
    assert found.agree, str(found)
    assert any(row.what == "output" and row.difference > 1e-3 for row in found.rows if row.name == "2")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rounding_beside_an_exact_zero_is_nobodys_fault(dtype):
    class Zero(nn.Module):
        def forward(self, x):
            return x - x

    class Almost(nn.Module):
        def forward(self, x):
            return (x + 1) - 1 - x

    x = torch.rand(20, dtype=torch.float64)
    found = cl.first_difference(Zero(), Almost(), x, dtype=dtype)
    assert found.agree, str(found)
    assert found.rows[0].difference > 0


def test_rounding_of_a_coarser_dtype_inside_is_nobodys_fault():
    class Coarse(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x).float().to(x.dtype)

    class Coarser(nn.LayerNorm):
        def forward(self, x):
            mean = x.mean(-1, keepdim=True)
            scale = ((x - mean).square().mean(-1, keepdim=True) + self.eps).rsqrt().float()
            return (((x - mean).float() * scale) * self.weight.float() + self.bias.float()).to(x.dtype)

    torch.manual_seed(0)
    a = nn.Sequential(nn.Linear(6, 6), Coarse(6), nn.Linear(6, 2))
    b = copy.deepcopy(a)
    b[1].__class__ = Coarser
    x = torch.randn(8, 6)
    found = cl.first_difference(a, b, x)
    assert found.agree, str(found)
    assert found.notes == ("1 compute in a coarser dtype than float64; its rounding counts as no difference",)
    subclassed(b[2], wrong_output)
    assert named(cl.first_difference(a, b, x)) == ("2", "forward", "output")
    subclassed(b[1], lambda self, forward, x: forward(x) * 1.001)
    assert named(cl.first_difference(a, b, x)) == ("1", "forward", "output")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_error_ratio(net, x, dtype):
    a, b = pair(net)
    cl.swap(b, "handmade", functions=True)
    found = cl.first_difference(a, b, x, dtype=dtype)
    assert found.agree, str(found)
    eps = torch.finfo(dtype).eps
    assert max(row.difference for row in found.rows) > eps / 16

    def rough(self, forward, x):
        return forward(x) * (1 + 64 * eps)

    # few numbers, as the head's twelve, have more room
    for layer in ("block2.conv", "head"):
        c = copy.deepcopy(b)
        subclassed(c.get_submodule(layer), rough)
        assert named(cl.first_difference(a, c, x, dtype=dtype)) == (layer, "forward", "output")
    subclassed(b.block1.norm2, lambda self, forward, x: forward(2 * x - x.detach()))
    assert named(cl.first_difference(a, b, x, dtype=dtype)) == ("block1.norm2", "backward", "input gradient")


def test_random_numbers_are_the_same_ones_at_every_call(net, x):
    def draws_more(self, forward, x):
        torch.rand(3)
        return forward(x)

    a, b = pair(net)
    subclassed(b.block1.norm1, draws_more)
    assert cl.first_difference(a, b, x).agree
    b.block2.dropout.p = 0.4
    assert named(cl.first_difference(a, b, x)) == ("block2.dropout", "forward", "output")
    assert cl.first_difference(a.eval(), b.eval(), x).agree


def test_a_layout_that_changes_random_draws_is_told(net, x):
    def other_layout(self, forward, x):
        return forward(x).contiguous(memory_format=torch.channels_last)

    class Drops(nn.Dropout):
        def forward(self, x):
            return x * torch.empty_like(x).bernoulli_(0.5)

    a, b = pair(nn.Sequential(nn.Conv2d(3, 4, 3), Drops()))
    subclassed(b[0], other_layout)
    found = cl.first_difference(a, b, x)
    assert named(found) == ("1", "forward", "output")
    assert found.notes == (
        "the output of 0 lies in memory in another order, which random draws such as dropout's follow",
    )


def test_models_and_random_numbers_stay_as_they_are(net, x):
    a, b = pair(net)
    a.block1.eval()
    b.block2.norm1.eval()
    a(x).sum().backward()
    before = copy.deepcopy([m.state_dict() for m in (a, b)])
    modes = [module.training for m in (a, b) for module in m.modules()]
    gradients = [parameter.grad.clone() for parameter in a.parameters()]
    batch, random_state = x.clone(), torch.get_rng_state()
    python_state = random.getstate()
    cl.first_difference(a, b, x)
    cl.first_difference(a, b, x, dtype=torch.float32)
    for m, state in zip((a, b), before, strict=True):
        for name, tensor in m.state_dict().items():
            assert torch.equal(tensor, state[name])
            assert tensor.dtype == state[name].dtype
    assert modes == [module.training for m in (a, b) for module in m.modules()]
    assert all(torch.equal(p.grad, g) for p, g in zip(a.parameters(), gradients, strict=True))
    assert all(p.grad is None for p in b.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for model in (a, b) for m in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert random.getstate() == python_state
    # the first module writes to the batch
    for dtype in (torch.float64, torch.float32):
        writes = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3))
        assert cl.first_difference(writes, writes, x, dtype=dtype).agree
    assert torch.equal(x, batch)
    assert x.grad is None


def test_the_mode_of_each_model_is_kept(net, x):
    a, b = pair(net)
    b.block2.eval()
    assert named(cl.first_difference(a, b, x))[:2] == ("block2.norm1", "forward")
    with torch.no_grad():
        assert cl.first_difference(a, a, x).rows[-1].phase == "backward"


def test_weights_that_differ_are_named(net, x):
    a, b = pair(net)
    with torch.no_grad():
        b.head.weight *= 1.5
        b.block2.norm2.running_mean += 1
    found = cl.first_difference(a, b, x)
    assert dict(found.state) == {"head.weight": pytest.approx(0.5), "block2.norm2.running_mean": float("inf")}
    assert named(found) == ("block2.norm2", "forward", "buffer running_mean")
    assert "Before anything ran, they differed in head.weight (5.0e-01), block2.norm2.running_mean (inf)." in str(found)
    # where nothing comes of it
    found = cl.first_difference(a.block1, b.block1, torch.randn(2, 4, 5, 5))
    assert (found.agree, found.state) == (True, ())


def test_another_structure_is_refused(net, x):
    other = copy.deepcopy(net)
    other.extra = nn.Linear(2, 2)
    for a, b, missing, label in ((net, other, "model_a", "model_b"), (other, net, "model_b", "model_a")):
        with pytest.raises(ValueError, match=f"expected a module 'extra' in {missing}, as in {label}, received none"):
            cl.first_difference(a, b, x)
    with pytest.raises(TypeError, match=r"first_difference\(model_b\): expected a torch.nn.Module, received builtins"):
        cl.first_difference(net, print, x)
    with pytest.raises(ValueError, match="expected weights, received 'weight' without any"):
        cl.first_difference(nn.LazyLinear(3), nn.LazyLinear(3), x)
    with pytest.raises(TypeError, match=r"dtype: expected a floating-point dtype, received torch.int64"):
        cl.first_difference(net, net, x, dtype=torch.int64)


def test_a_layer_may_be_made_of_several_modules(net, x):
    class Made(nn.Module):
        def __init__(self, conv):
            super().__init__()
            self.weight, self.bias = conv.weight, conv.bias
            self.pad = nn.ZeroPad2d(1)

        def forward(self, x):
            return F.conv2d(self.pad(x), self.weight, self.bias)

    a, b = pair(net)
    b.block1.conv = Made(b.block1.conv)
    for found in (cl.first_difference(a, b, x), cl.first_difference(b, a, x)):
        assert found.agree, str(found)
    assert found.notes == ("only a calls block1.conv.pad, which cannot be compared",)
    subclassed(b.block1.conv.pad, wrong_output)
    assert named(cl.first_difference(a, b, x)) == ("block1.conv", "forward", "output")


def test_an_error_names_the_model_and_the_module(net, x):
    def fails(self, forward, x):
        raise KeyError("what")

    a, b = pair(net)
    subclassed(b.block2.norm1, fails)
    for models, label in (((a, b), "model_b"), ((b, a), "model_a")):
        with pytest.raises(RuntimeError, match=rf"first_difference: {label}, block2.norm1 \(WrongBatchNorm2d\): exp"):
            cl.first_difference(*models, x)
    # a difference before it is what matters
    subclassed(b.block1.conv, wrong_output)
    found = cl.first_difference(a, b, x)
    assert named(found) == ("block1.conv", "forward", "output")
    assert found.notes == ("after that it raised: KeyError('what')",)

    class Fails(torch.autograd.Function):
        forward = WrongGradient.forward

        @staticmethod
        def backward(ctx, gradient):
            raise KeyError("what")

    a, b = pair(Net())
    subclassed(b.block2, lambda self, forward, x: forward(Fails.apply(x)))
    with pytest.raises(RuntimeError, match="first_difference: model_b: expected a backward pass without an error"):
        cl.first_difference(a, b, x)


def test_other_shapes_and_dtypes_are_told_in_words(net, x):
    a, b = pair(net)
    subclassed(b.block1, lambda self, forward, x: forward(x)[:, :, :-1])
    found = cl.first_difference(a, b, x)
    assert named(found) == ("block1", "forward", "output")
    assert "expected shape torch.Size([4, 4, 6, 6]), received torch.Size([4, 4, 5, 6])" in found.sentence
    a, b = pair(net)
    subclassed(b.head, lambda self, forward, x: forward(x).float())
    assert "expected dtype torch.float64, received torch.float32" in str(cl.first_difference(a, b, x))
    a, b = pair(net)
    subclassed(b.head, lambda self, forward, x: forward(x) / 0)
    assert "inf or NaN in other places" in str(cl.first_difference(a, b, x))
    assert "inf or NaN in other places" in str(cl.first_difference(a, b, x, dtype=torch.float32))
    assert cl.first_difference(b, b, x).agree


class Batches(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.linear = nn.Linear(3, 5)
        self.linear.weight = nn.Parameter(self.embedding.weight)
        self.linear.weight = self.embedding.weight

    def forward(self, tokens, *, shift):
        return {"out": [self.linear(self.embedding(tokens) + shift)]}


def test_batches_of_every_kind_and_tied_weights():
    torch.manual_seed(0)
    a, b = pair(Batches())
    assert b.linear.weight is b.embedding.weight
    batch = {"tokens": torch.tensor([1, 2, 4]), "shift": torch.randn(3)}
    found = cl.first_difference(a, b, batch)
    assert found.agree
    assert "gradient of weight" in {row.what for row in found.rows}
    subclassed(b.linear, wrong_weight_gradient)
    assert named(cl.first_difference(a, b, batch)) == ("embedding", "backward", "gradient of weight")

    class Sum(nn.Module):
        def forward(self, x, y):
            return x[0] * x[1] + y

    class WrongSum(Sum):
        def forward(self, x, y):
            return x[0] * WrongGradient.apply(x[1]) + y

    x = ([torch.randn(3), torch.randn(3)], torch.randn(3))
    assert named(cl.first_difference(Sum(), WrongSum(), x)) == ("", "backward", "input gradient 2")
    found = cl.first_difference(Sum(), WrongSum(), x, input_gradients=False)
    assert found.notes == ("nothing in the result has a gradient, so that only the forward pass was compared",)


def test_a_list_that_a_module_adds_to(x):
    class Adds(nn.Module):
        def forward(self, features):
            features.append(features[-1].square())

    class Lists(nn.Module):
        def __init__(self):
            super().__init__()
            self.adds = Adds()

        def forward(self, x):
            features = [x]
            self.adds(features)
            self.adds(features)
            return torch.stack(features)

    class Wrong(Adds):
        def forward(self, features):
            features.append(WrongGradient.apply(features[-1]).square())

    a, b = pair(Lists())
    assert cl.first_difference(a, b, x).agree
    b.adds = Wrong()
    found = cl.first_difference(a, b, x)
    assert found.phase == "backward"


def test_checkpoints_and_compiled_models(net, x):
    class Checkpointed(Net):
        def forward(self, x):
            y = checkpoint(self.block1, self.stem(x), use_reentrant=False)
            return self.head(self.block2(y).mean((2, 3)))

    a, b = pair(net)
    b.__class__ = Checkpointed
    assert cl.first_difference(a, b, x).agree
    assert cl.first_difference(b, a, x).agree
    subclassed(b.block1.norm1, wrong_input_gradient)
    assert named(cl.first_difference(a, b, x)) == ("block1.norm1", "backward", "input gradient")
    # torch.compile's wrappers are of no concern, outside and inside
    b.block2 = torch.compile(b.block2, backend="eager")
    found = cl.first_difference(torch.compile(a, backend="eager"), b, x)
    assert named(found) == ("block1.norm1", "backward", "input gradient")


def test_each_model_is_on_the_device_that_it_is_on_and_nothing_is_left(net, x):
    import gc
    import weakref

    a, b = pair(net)
    made = []
    subclassed(b.head, lambda self, forward, x: (made.append(weakref.ref(x)), forward(x))[1])
    cl.first_difference(a, b, x)
    gc.collect()
    assert made[0]() is None
