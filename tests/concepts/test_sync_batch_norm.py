"""Batch normalization across processes: two of them, over gloo, do what one does with all samples."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

import conceptlab as cl
from conceptlab.concepts.normalization.handmade.processes import _SumOfAll
from conceptlab.concepts.normalization.laws import SHARES, _batch, _scaled, _steps
from conceptlab.core import declare, registry
from conceptlab.nn import BatchNorm2d, SyncBatchNorm
from conceptlab.verify import verify

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here")

TIERS = sorted(set(registry.parts["SyncBatchNorm"].tiers) - {"builtin"})


def worker(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        x, upstream = _batch()
        for tier in TIERS:
            for sizes in SHARES:
                for options in ({}, {"momentum": None}, {"track_running_stats": False}):
                    as_one(rank, tier, x, upstream, sizes, options)
        layouts_and_halves(rank, x)
        sum_of_all(rank)
        alone(rank, x)
    finally:
        dist.destroy_process_group()


def as_one(rank, tier, x, upstream, sizes, options):
    whole, mine = (_scaled(cls(3, tier=tier, **options).double()) for cls in (BatchNorm2d, SyncBatchNorm))
    expected, of_all, state = _steps(whole, x, upstream)
    received, by_parameters, buffers = _steps(mine, x.split(sizes)[rank], upstream.split(sizes)[rank])
    for ours, theirs in zip(received, expected, strict=True):
        torch.testing.assert_close(ours, theirs.split(sizes)[rank], rtol=1e-9, atol=1e-9, msg=f"{tier} {sizes}")
    for ours, theirs in zip(by_parameters, of_all, strict=True):  # those of all processes are added up later
        dist.all_reduce(ours)
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(buffers, state, rtol=1e-9, atol=0)
    mine.eval(), whole.eval()
    torch.testing.assert_close(mine(x), whole(x), rtol=1e-9, atol=0)


def layouts_and_halves(rank, x):
    """The layout of the input, and its dtype beside parameters in float32."""
    images = x[2 * rank : 2 * rank + 2].float().contiguous(memory_format=torch.channels_last)
    layer = SyncBatchNorm(3)
    assert layer(images).is_contiguous(memory_format=torch.channels_last)
    assert layer(images.contiguous().transpose(2, 3)).is_contiguous()
    half = images.bfloat16().requires_grad_()
    y = layer(half)
    y.float().square().sum().backward()
    assert y.dtype is half.grad.dtype is torch.bfloat16
    assert layer.weight.grad.dtype is torch.float32


def sum_of_all(rank):
    """What is added up stays as it is, whatever its layout."""
    part = torch.arange(4.0).view(2, 2).t() + rank
    part = part.contiguous() if rank else part
    total = _SumOfAll.call(part, dist.group.WORLD)
    assert torch.equal(part, torch.arange(4.0).view(2, 2).t() + rank)
    assert torch.equal(total, 2 * torch.arange(4.0).view(2, 2).t() + 1)


def alone(rank, x):
    """A group of one is ordinary batch normalization."""
    groups = [dist.new_group([each]) for each in range(2)]
    for tier in TIERS:
        here = [x[: 2 + rank].clone().requires_grad_() for _ in range(2)]
        y = declare("nn", tier)._sync_batch_norm(here[0], None, None, None, None, 0.1, 1e-5, groups[rank])
        expected = nn.functional.batch_norm(here[1], None, None, training=True)
        for result in (y, expected):
            result.square().mul(x[: 2 + rank]).sum().backward()
        torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(here[0].grad, here[1].grad, rtol=1e-9, atol=1e-7)
    layer, ordinary = SyncBatchNorm(3, process_group=groups[rank]).double(), nn.BatchNorm2d(3).double()
    torch.testing.assert_close(layer(x[: 2 + rank]), ordinary(x[: 2 + rank]), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    mp.spawn(worker, args=(str(tmp_path),), nprocs=2)


@pytest.fixture
def group(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


@pytest.mark.parametrize("tier", TIERS)
def test_derivatives(tier, group):
    """In a process alone, where a sum over all processes is what it has."""
    synchronized = declare("nn", tier)._sync_batch_norm
    x, _ = _batch()
    inputs = (x[:2, :, :1, :3] - 100, torch.tensor([0.5, -2.0, 3.0]).double(), torch.ones(3).double())
    inputs = tuple(t.clone().requires_grad_() for t in inputs)

    def call(x, weight, bias):
        return synchronized(x, None, None, weight, bias, 0.1, 1e-5, group)

    expected = nn.functional.batch_norm(inputs[0], None, None, *inputs[1:], training=True)
    torch.testing.assert_close(call(*inputs), expected, rtol=1e-9, atol=1e-9)
    assert torch.autograd.gradcheck(call, inputs, check_forward_ad=tier == "handmade")
    assert torch.autograd.gradgradcheck(call, inputs, check_fwd_over_rev=tier == "handmade")
    assert torch.autograd.gradcheck(lambda x: call(x, None, None), inputs[:1])
    if tier == "handmade":
        directions = tuple(t.detach().sin().requires_grad_() for t in inputs)

        def tangent(*both):
            return torch.func.jvp(call, both[:3], both[3:])[1]

        def gradient(*inputs):
            return torch.autograd.grad(call(*inputs).square().sum(), inputs, create_graph=True)

        def of_gradients(*both):
            upstream = torch.ones_like(both[0]).cumsum(0).cos()
            return torch.func.jvp(lambda *inputs: torch.func.vjp(call, *inputs)[1](upstream), both[:3], both[3:])[1]

        assert torch.autograd.gradcheck(tangent, (*inputs, *directions))
        assert torch.autograd.gradcheck(of_gradients, (*inputs, *directions))
        assert torch.autograd.gradgradcheck(gradient, inputs)
    only_bias = (inputs[0].detach(), None, inputs[2])
    assert torch.autograd.gradcheck(lambda bias: call(*only_bias[:2], bias), inputs[2:])


def test_the_tangent_of_half_precision_is_of_it(group):
    with torch.autograd.forward_ad.dual_level():
        x, tangent = torch.randn(2, 4, 3, 2, 5).bfloat16()
        dual = torch.autograd.forward_ad.make_dual(x, tangent)
        y = declare("nn", "handmade")._sync_batch_norm(dual, None, None, None, None, 0.1, 1e-5, group)
        assert torch.autograd.forward_ad.unpack_dual(y).tangent.dtype is torch.bfloat16


class Alone(nn.BatchNorm2d):
    """It asks nobody."""

    def __init__(self, *args, process_group=None, **kwargs):
        super().__init__(*args, **kwargs)


@pytest.mark.parametrize("law", ["together_as_one", "tangents_as_one"])
def test_the_laws(law):
    for cls, status in ((SyncBatchNorm, "passed"), (Alone, "failed"), (nn.SyncBatchNorm, "not applicable")):
        (result,) = verify(cls, like="SyncBatchNorm", only=[law]).results
        assert result.status == status, result
    assert "takes no input on a CPU" in str(result.left_out)


def test_conversion_keeps_tiers():
    net = nn.Sequential(nn.BatchNorm2d(3), BatchNorm2d(3, tier="naive"), nn.Sequential(nn.BatchNorm1d(2), nn.ReLU()))
    state = net.state_dict()
    converted = SyncBatchNorm.convert_sync_batchnorm(net)
    layers = [layer for layer in converted.modules() if isinstance(layer, nn.SyncBatchNorm)]
    assert [(type(layer), layer.tier) for layer in layers] == [
        (SyncBatchNorm, "handmade"),
        (SyncBatchNorm, "naive"),
        (SyncBatchNorm, "handmade"),
    ]
    assert converted.state_dict().keys() == state.keys()


def test_torchs_own_is_swapped():
    net = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm2d(3)))
    report = cl.swap(net, "handmade")
    assert type(net[0]) is SyncBatchNorm
    report.undo()
    assert type(net[0]) is nn.SyncBatchNorm


def test_the_functions_of_layers_are_no_parts():
    assert not [name for name in registry.parts if name.startswith("_")]
