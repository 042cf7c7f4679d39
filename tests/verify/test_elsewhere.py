"""torch's own, computed on a CPU for tensors of another device. A copy stands for the way there."""

import copy
import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from conceptlab.core import registry
from conceptlab.verify.elsewhere import moved, on_cpu
from conceptlab.verify.running import result_of
from conceptlab.verify.suite.derivatives import forward_mode
from conceptlab.verify.suite.randomness import law_of_the_draw
from conceptlab.verify.suite.values import values
from conceptlab.verify.target import Target


@pytest.fixture(autouse=True)
def far_away(monkeypatch):
    monkeypatch.setattr(Tensor, "cpu", Tensor.clone)


def test_values_and_gradients():
    x = torch.randn(3, 4, requires_grad=True)
    y = on_cpu(torch.nn.functional.softmax)(x, dim=1)
    torch.testing.assert_close(y, x.softmax(1))
    up = torch.randn_like(y)
    received, expected = (torch.autograd.grad(z, x, up, retain_graph=True)[0] for z in (y, x.softmax(1)))
    torch.testing.assert_close(received, expected)


def test_what_is_written_comes_back():
    x = torch.randn(5)
    expected = x.relu()
    assert on_cpu(torch.nn.functional.relu)(x, inplace=True) is x
    assert torch.equal(x, expected)


def test_each_of_a_batch():
    x = torch.randn(3, 5)
    received = torch.vmap(on_cpu(torch.nn.functional.relu), in_dims=1, out_dims=1)(x)
    assert torch.equal(received, x.relu())


def test_a_layer_and_its_buffers():
    torch.manual_seed(0)
    theirs = nn.BatchNorm1d(3)
    ours = on_cpu(nn.BatchNorm1d)(3)
    x = torch.randn(8, 3)
    for _ in range(2):
        received, expected = ours(x), theirs(x)
    torch.testing.assert_close(received, expected)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    assert int(ours.num_batches_tracked) == 2
    up = torch.randn(8, 3)
    received.backward(up)
    expected.backward(up)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    assert ours.eval() is ours
    torch.testing.assert_close(copy.deepcopy(ours)(x), theirs.eval()(x))


def test_the_sizes_of_a_sequence_stay():
    packed = pack_sequence([torch.ones(3), torch.ones(2)])
    twice = moved(packed, lambda tensor: tensor * 2)
    assert torch.equal(twice.batch_sizes, packed.batch_sizes)
    assert torch.equal(twice.data, packed.data * 2)


@pytest.fixture
def another_device(monkeypatch):
    """The CPU under a name that says that it is another device."""
    stream = SimpleNamespace(get_rng_state=torch.get_rng_state, is_available=lambda: False)
    monkeypatch.setattr(torch, "get_device_module", lambda device: stream)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: nullcontext())
    return "cpu:0"


def function(name, device, implementation=None):
    part = registry.parts[name]
    return Target(part, implementation or part.tiers["handmade"], "handmade", device=device)


def test_what_draws_is_held_to_its_laws_alone(another_device):
    target = function("dropout", another_device)
    marked = [bool(sample.by_law) for sample in target.samples()]
    assert any(marked)
    assert not all(marked)  # in evaluation, and for p = 0, nothing is drawn
    assert not any(sample.by_law for sample in target.samples(drawing=True))
    result = result_of(values, target)
    assert result.left_out[f"on {another_device} random numbers are held to their laws alone"] == sum(marked)
    assert result_of(law_of_the_draw, target).passed


class Backwards(torch.autograd.Function):
    """What it is given; it has no forward mode, as some of torch's kernels for CUDA have none."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, up):
        return up


@pytest.mark.parametrize(("name", "check", "shape"), [("relu", values, ()), ("gru_cell", forward_mode, (3, 3))])
def test_what_torch_itself_computes_in_another_way_is_left_out(name, check, shape, another_device, monkeypatch):
    there = []
    correct = registry.parts[name].torch

    def to_cpu(tensor):
        there.append(tensor.clone())
        return there[-1]

    def mistaken(x, *args, **kwargs):
        """torch's own, which away from the CPU is wrong about an input of this shape."""
        y = correct(x, *args, **kwargs)
        return y if x.shape != shape or any(x is tensor for tensor in there) else y + Backwards.apply(x.sum())

    monkeypatch.setattr(Tensor, "cpu", to_cpu)
    target = function(name, another_device)
    target = dataclasses.replace(target, part=dataclasses.replace(target.part, torch=mistaken))
    reason = f"on {another_device} torch's own is not what it is on a CPU"
    result = result_of(check, target)
    assert (result.failed, result.left_out.get(reason, 0) > 0, result.passed > 0) == (0, True, True)


def test_an_own_mistake_is_kept(another_device):
    handmade = registry.parts["softmax"].tiers["handmade"]
    target = function("softmax", another_device, lambda *args, **kwargs: handmade(*args, **kwargs) * 1.001)
    result = result_of(values, target)
    assert result.failed
    assert not result.left_out


def test_what_ends_the_process_is_not_asked(monkeypatch):
    monkeypatch.setattr(Target, "draws", lambda self, sample: False)
    part = registry.parts["embedding"]
    for device, reason in (
        ("cpu", ""),
        ("meta", "torch's kernel reads memory that is not there, and ends the process"),
    ):
        target = Target(part, part.tiers["handmade"], "handmade", device=device)
        samples = {sample.name: sample for sample in target.samples()}
        assert samples["no features"].by_law == reason
        assert samples["no vectors"].by_law == ""
