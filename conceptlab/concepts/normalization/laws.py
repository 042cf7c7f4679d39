"""What has to hold of batch normalization across processes, shown by two threads that are connected as two would be."""

import datetime
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import forward_ad

from conceptlab.core import registry
from conceptlab.core.samples import NotApplicable

SHARES = ((2, 2), (1, 3), (0, 4))
"""How many samples each process has."""

SETTINGS: tuple[dict[str, Any], ...] = ({}, {"momentum": None}, {"track_running_stats": False}, {"affine": False})

PATIENCE = datetime.timedelta(seconds=10)
"""How long one waits for the other, which may have failed."""

Results = tuple[list[Tensor], ...]
"""What each sample has by itself; then what all processes have together, added up; then what each of them has."""


def together_as_one(build: Callable) -> Iterable[tuple[Any, Any]]:
    """Two processes with a share of the batch each do what one does with all of it, whatever the shares."""
    return _as_one(build, nn.BatchNorm2d, _steps)


def tangents_as_one(build: Callable) -> Iterable[tuple[Any, Any]]:
    """So do their forward-mode derivatives, by themselves, over reverse mode and under it."""
    with forward_ad.dual_level():  # one for all threads
        # torch's own has no gradient of a tangent
        yield from _as_one(build, partial(registry.parts["BatchNorm2d"].tiers["naive"], tier="naive"), _tangents)


def _as_one(build: Callable, alone: Callable, act: Callable[..., Results]) -> Iterable[tuple[Any, Any]]:
    if not dist.is_available() or not dist.is_gloo_available() or dist.is_initialized():
        raise NotApplicable("it takes gloo, and a process that is connected to no other")
    batch = _batch()
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        for setting in SETTINGS:
            by_sample, sums, state = act(_scaled(alone(3, **setting).double()), *batch)
            for shares in SHARES:
                parts = list(zip(*(t.split(shares) for t in batch), strict=True))
                a, b = _in_two(build, setting, act, parts)
                yield [torch.cat(both) for both in zip(a[0], b[0], strict=True)], by_sample
                # each keeps its own: training in parallel adds them up
                yield [u + v for u, v in zip(a[1], b[1], strict=True)], sums
                yield (a[2], b[2]), (state, state)
    finally:
        dist.destroy_process_group()


def _in_two(build: Callable, setting: dict[str, Any], act: Callable[..., Results], parts: list[tuple]) -> list[Results]:
    """What ``act`` leaves behind in each of two processes."""
    store, one_at_a_time = dist.HashStore(), threading.Lock()

    def process(rank: int) -> Results:
        group = dist.ProcessGroupGloo(store, rank, 2, PATIENCE)
        with one_at_a_time:  # the default dtype, which it is built in, is that of all threads
            layer = _scaled(build(3, process_group=group, **setting))
        try:
            return act(layer, *parts[rank])
        except ValueError as error:
            if "GPU" not in str(error):
                raise
            raise NotApplicable("torch's own takes no input on a CPU") from error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(process, range(2)))


def _batch() -> tuple[Tensor, Tensor]:
    """Samples, far from 0, where the mean of the squares keeps no digit; and a number for each value."""
    x, other = torch.randn(2, 4, 3, 7, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x + 100, other


def _scaled(layer: nn.Module) -> nn.Module:
    """With a weight that is no 1, where it has one."""
    with torch.no_grad():
        for weight in list(layer.parameters())[:1]:
            weight.copy_(torch.tensor([0.5, -2.0, 3.0]))
    return layer


def _steps(layer: nn.Module, x: Tensor, upstream: Tensor) -> Results:
    """Outputs and derivatives by the input, in a first step; gradients of the parameters; buffers after a second."""
    parameters = list(layer.parameters())
    x = x.clone().requires_grad_()
    y = layer(x)
    (gradient,) = torch.autograd.grad((y * upstream).sum(), x, create_graph=True)
    # the square: a loss that a constant gradient would not change
    loss = (y * upstream).sum() + (gradient * upstream).square().sum()
    second, *by_parameters = torch.autograd.grad(loss, [x, *parameters])
    layer(x)
    return [y.detach(), gradient.detach(), second], by_parameters, list(layer.buffers())


def _tangents(layer: nn.Module, x: Tensor, x_t: Tensor) -> Results:
    """The tangents of the outputs and of the gradient by the input, and the gradient of the former."""
    parameters = {name: forward_ad.make_dual(p.detach(), p.detach().sin()) for name, p in layer.named_parameters()}
    x = forward_ad.make_dual(x.clone().requires_grad_(), x_t)
    y = torch.func.functional_call(layer, parameters, x)
    (gradient,) = torch.autograd.grad((y * x_t).sum(), x, create_graph=True)
    tangents = [forward_ad.unpack_dual(t).tangent for t in (y, gradient)]
    if any(t is None for t in tangents):
        return [torch.zeros_like(y)], [], []
    (of_tangent,) = torch.autograd.grad((tangents[0] * x_t).sum(), x)
    return [*(t.detach() for t in tangents), forward_ad.unpack_dual(of_tangent).primal], [], []
