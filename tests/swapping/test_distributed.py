"""Swap and two processes, over gloo."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import conceptlab as cl

pytestmark = pytest.mark.slow


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)).double()


def train(model, rank):
    """Two steps, each on this process's half of the data; the parameters afterwards."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for batch in data:
        optimizer.zero_grad()
        model(batch[4 * rank : 4 * rank + 4]).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


def swapped_before():
    net = model()
    cl.swap(net, "handmade")
    return DistributedDataParallel(net)


def swapped_after():
    net = DistributedDataParallel(model())
    assert [s.name for s in cl.swap(net, "handmade").swapped] == ["module.0", "module.1", "module.2"]
    return net


def with_functions():
    net = DistributedDataParallel(model())
    cl.swap(net, "handmade", functions=True)
    return net


def worker(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        expected = train(DistributedDataParallel(model()), rank)
        for make in (swapped_before, swapped_after, with_functions):
            net = make()
            actual = train(net, rank)
            assert net.module[0].tier == "handmade"
            torch.testing.assert_close(actual, expected, rtol=1e-9, atol=0)
            gathered = [torch.empty_like(actual[0]) for _ in range(2)]
            dist.all_gather(gathered, actual[0])
            assert torch.equal(*gathered)
        sharded(rank)
    finally:
        dist.destroy_process_group()


def sharded(rank):
    """The class that FSDP generates around a layer is made again around ours, under the same name."""
    from torch.distributed.fsdp import FSDPModule, fully_shard

    net = copy.deepcopy(model())
    for layer in (net[0], net[2]):
        fully_shard(layer, mesh=dist.init_device_mesh("cpu", (2,)))
    report = cl.swap(net, "handmade")
    assert type(net[0]).__name__ == "FSDPLinear"
    assert isinstance(net[0], FSDPModule)
    assert net[0].tier == "handmade"
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(net(x), model()(x), rtol=1e-9, atol=0)
    report.undo()
    assert type(net[0]).__bases__ == (FSDPModule, nn.Linear)


@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here")
def test_two_processes(tmp_path):
    mp.spawn(worker, args=(str(tmp_path),), nprocs=2)
