r"""Means of windows, with their derivative.

With $m_o$ the number that window $o$ is divided by, and the sum over the window's places,

$$ y_o = \frac{1}{m_o} \sum_t x_{i(o, t)}, \qquad\text{a linear map:}\quad y = A x, \quad
   A_{oi} = \frac{1}{m_o}\, [\,i \text{ lies in window } o\,] $$

A box is a row of rows: the sum over a window is taken along one axis and then, of these sums, along the next,
$k_H + k_W$ terms instead of $k_H k_W$. Along an axis it is a sum of taps: shifted slices.

A linear map is its own derivative forward, $\dot y = A \dot x$, and its transpose backward: every place gets the share
of all windows that it lies in,

$$ \frac{\partial L}{\partial x_i} = \sum_{o,\, t:\ i(o, t) = i} \frac{1}{m_o} \frac{\partial L}{\partial y_o}
   = A^\top g $$

so each tap of the gradient is added to where the tap of the input was read. $A^\top$ is linear, too, and $A$ its
transpose: two rules, each the other's derivative, to any order.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.pooling.handmade.windows import Window, in_torch_layout, pack, padded, unpack
from conceptlab.core import Rule, message, require_floating, require_real, save


def average(
    where: str,
    input: Tensor,
    windows: Sequence[Window],
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The means of all windows; what torch can do with whole numbers (int64, rounded towards 0) included."""
    if input.dtype is not torch.int64 or where.startswith("adaptive"):
        require_floating(where, input)
        require_real(where, input)
    if divisor_override == 0:
        problem = f"{where}: divisor must be not zero"
        raise RuntimeError(message(problem, expected="a number", received="0", remedy="Give None for the mean."))
    x = in_torch_layout(input, len(windows), volumes=False)
    return _Average.call(x, _divisor(x, windows, count_include_pad, divisor_override), *pack(windows))


def _divisor(x: Tensor, windows: Sequence[Window], include_pad: bool, override: int | None) -> Tensor:
    """The number m of every window, or one for all."""
    dtype = x.dtype if x.dtype in (torch.int64, torch.float64) else torch.float32
    if override is not None:
        return torch.full((), override, dtype=dtype, device=x.device)
    factors = []
    for axis, window in enumerate(windows):
        counts = [window.count(o, include_pad) for o in range(window.out)]
        counts = counts[:1] if len(set(counts)) == 1 else counts
        shape = [-1] + [1] * (len(windows) - axis - 1)
        factors.append(torch.tensor(counts, dtype=dtype, device=x.device).reshape(shape))
    return reduce(torch.mul, factors)


class _Average(Rule):
    """A: from the input to the means."""

    @staticmethod
    def forward(x: Tensor, divisor: Tensor, *numbers: int) -> Tensor:
        windows = unpack(numbers)
        total = x.to(divisor.dtype)
        if all(window.stride for window in windows):
            total = padded(total, windows, 0)
        whole, parts = _whole_and_parts(windows)
        total = total.sum(whole, keepdim=True) if whole else total
        for axis, window in parts:
            total = _sums(total, axis, window)
        rounding = None if x.is_floating_point() else "trunc"
        mean = torch.div(total, divisor, rounding_mode=rounding).to(x.dtype)
        if x.dim() - len(windows) == 2 == len(windows) and not x.is_contiguous():
            return mean.contiguous(memory_format=torch.channels_last)  # joined pieces may have lost it
        return mean

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, divisor, *ctx.numbers = inputs
        save(ctx, divisor)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _Spread.call(grad_output, *ctx.saved_tensors, *ctx.numbers), None, *(None for _ in ctx.numbers)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _Average.call(tangent, *ctx.saved_tensors, *ctx.numbers)


class _Spread(Rule):
    """The transpose of A: from the means to the input's places."""

    @staticmethod
    def forward(g: Tensor, divisor: Tensor, *numbers: int) -> Tensor:
        windows = unpack(numbers)
        # a divisor without axes would leave half precision as it is, and shares are added up
        spread = g.to(divisor.dtype) / divisor
        whole, parts = _whole_and_parts(windows)
        for axis, window in parts:
            if window.tiles:
                spread = spread.repeat_interleave(window.kernel, axis)
                continue
            shape = list(spread.shape)
            shape[axis] = window.left + window.size + window.right
            places = spread.new_zeros(shape)
            if window.stride:
                for tap in window.taps(places, axis):
                    tap.add_(spread)
            else:
                for o in range(window.out):
                    window.inside(places, axis, o).add_(spread.narrow(axis, o, 1))
            spread = places.narrow(axis, window.left, window.size)
        if whole:
            sizes = (window.size for window in windows)
            spread = spread.expand(*g.shape[: -len(windows)], *sizes).clone()
        return spread.to(g.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, divisor, *ctx.numbers = inputs
        save(ctx, divisor)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _Average.call(grad_output, *ctx.saved_tensors, *ctx.numbers), None, *(None for _ in ctx.numbers)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _Spread.call(tangent, *ctx.saved_tensors, *ctx.numbers)


def _whole_and_parts(windows: Sequence[Window]) -> tuple[list[int], list[tuple[int, Window]]]:
    """The axes that one window covers wholly, which are summed at once, and the others with their windows."""
    axes = list(enumerate(windows, start=-len(windows)))
    whole = [axis for axis, window in axes if window.tiles and window.out == 1]
    return whole, [(axis, window) for axis, window in axes if axis not in whole]


def _sums(x: Tensor, axis: int, window: Window) -> Tensor:
    """The sum of each window along one axis."""
    if window.tiles and window.kernel > 4:
        return x.unflatten(axis, (window.out, window.kernel)).sum(axis)
    if not window.stride:
        return torch.cat([window.inside(x, axis, o).sum(axis, keepdim=True) for o in range(window.out)], axis)
    first, *others = window.taps(x, axis)
    return reduce(Tensor.add_, others[1:], first + others[0]) if others else first
