"""A and its transpose, each the other's derivative."""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.interpolation.handmade.axis import Axis, unpack
from conceptlab.concepts.interpolation.handmade.steps import along, back_along
from conceptlab.core import Rule, wide


class Resample(Rule):
    """A x; the scalars are those of `axis.unpack`."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Tensor, *scalars: Any) -> Tensor:
        axes = unpack(scalars)
        # a pixel that is only copied is not computed with
        y, start = _pixels(x if scalars[0].startswith("nearest") else wide(x))
        for n in _order(axes):
            y = y if axes[n].stays else along(y, start + n, axes[n])
        return _like(y, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, *ctx.scalars = inputs

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return Spread.call(grad_output, *ctx.scalars), *(None for _ in ctx.scalars)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return Resample.call(tangent, *ctx.scalars)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, x: Tensor, *scalars: Any) -> tuple[Tensor, int]:
        return _of_batch(Resample, info.batch_size, in_dims[0], x, scalars)


class Spread(Rule):
    """Aᵀ g, with the same scalars."""

    generate_vmap_rule = False

    @staticmethod
    def forward(g: Tensor, *scalars: Any) -> Tensor:
        axes = unpack(scalars)
        x, start = _pixels(wide(g))
        for n in reversed(_order(axes)):
            x = x if axes[n].stays else back_along(x, start + n, axes[n])
        return _like(x, g)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, *ctx.scalars = inputs

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return Resample.call(grad_output, *ctx.scalars), *(None for _ in ctx.scalars)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return Spread.call(tangent, *ctx.scalars)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, g: Tensor, *scalars: Any) -> tuple[Tensor, int]:
        return _of_batch(Spread, info.batch_size, in_dims[0], g, scalars)


def _of_batch(rule: type[Rule], V: int, batched: int, x: Tensor, scalars: tuple) -> tuple[Tensor, int]:
    """A batch of batches is a larger batch."""
    return rule.call(x.movedim(batched, 0).flatten(0, 1), *scalars).unflatten(0, (V, -1)), 0


def _order(axes: list[Axis]) -> list[int]:
    """What shrinks goes first, and then the last axis: fewer pixels to the next one, in longer runs of memory."""
    shrinking = [n for n, axis in enumerate(axes) if axis.out < axis.size]
    return shrinking + [n for n in reversed(range(len(axes))) if n not in shrinking]


def _pixels(x: Tensor) -> tuple[Tensor, int]:
    """``x`` with its axes in the order of memory, and the first of those that change."""
    return (x.movedim(1, -1), 1) if _is_channels_last(x) else (x, 2)


def _like(y: Tensor, x: Tensor) -> Tensor:
    """Pixels as a tensor of their own, of the dtype and in the memory format of ``x``."""
    if not _is_channels_last(x):
        return y.clone(memory_format=torch.contiguous_format) if y is x else y.to(x.dtype).contiguous()
    B, *size, C = y.shape
    memory_format = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
    output = torch.empty((B, C, *size), dtype=x.dtype, device=x.device, memory_format=memory_format)
    output.movedim(1, -1).copy_(y)
    return output


def _is_channels_last(x: Tensor) -> bool:
    """Whether torch takes it for that: the strides grow from the channels over the pixels to the samples."""
    least = 1
    for axis in (1, *range(x.dim() - 1, 1, -1), 0):
        if x.dim() == 3 or x.stride(axis) < least:
            return False
        least = x.stride(axis) * x.shape[axis]
    return True
