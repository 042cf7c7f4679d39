"""A and its transpose, each the other's derivative."""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.interpolation.handmade.axis import Axis, unpack
from conceptlab.concepts.interpolation.handmade.layout import like, pixels
from conceptlab.concepts.interpolation.handmade.levels import resample_levels
from conceptlab.concepts.interpolation.handmade.steps import along, back_along
from conceptlab.core import Rule, wide


class Resample(Rule):
    """A x; the scalars are those of `axis.unpack`."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Tensor, *scalars: Any) -> Tensor:
        axes = unpack(scalars)
        copied = scalars[0] in ("nearest", "nearest-exact")
        if x.dtype is torch.uint8 and not copied:
            return resample_levels(x, axes)
        # a pixel that is only copied is not computed with
        y, start = pixels(x if copied else wide(x))
        for n in _order(axes):
            y = y if axes[n].stays else along(y, start + n, axes[n])
        return like(y, x)

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
        x, start = pixels(wide(g))
        for n in reversed(_order(axes)):
            x = x if axes[n].stays else back_along(x, start + n, axes[n])
        return like(x, g)

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
