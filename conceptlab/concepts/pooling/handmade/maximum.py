r"""The largest values of windows, with their derivative.

$$ y_o = \max_t x_{i(o, t)} = x_{i(o, t^*_o)}, \qquad t^*_o = \text{the first of the largest} $$

The maximum runs through the taps: $y$ is the largest so far, and where tap $t$ is larger (or NaN), $t^* \leftarrow t$.
Since $t$ only grows, that is $t^* = \max(t^*,\ t \cdot [x_{i(o, t)} > y_o])$, without a branch, in a byte: what is kept
for backward is a quarter of $y$.

With $t^*$ fixed, $y$ is a selection from $x$, and what is selected gets the gradient:

$$ \frac{\partial y_o}{\partial x_i} = [\,i = i(o, t^*_o)\,], \qquad
   \frac{\partial L}{\partial x_i} = \sum_{o:\ i(o, t^*_o) = i} \frac{\partial L}{\partial y_o}, \qquad
   \dot y_o = \dot x_{i(o, t^*_o)} $$

a scatter backward and a gather forward, at the index that ``return_indices`` returns.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.pooling.handmade.windows import Window, in_torch_layout, pack, padded, taps, unpack
from conceptlab.core import Rule, message, save


def maximum(
    where: str, input: Tensor, windows: Sequence[Window], return_indices: bool
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window and, if asked for, its place in the flattened channel."""
    whole_numbers = not where.startswith("adaptive") and not input.is_complex() and input.dtype is not torch.bool
    if not input.is_floating_point() and not whole_numbers:
        problem = f"{where} not implemented for '{input.dtype}'"
        raise NotImplementedError(
            message(problem, expected="numbers that have a largest", received=str(input.dtype), remedy="Convert them.")
        )
    x = in_torch_layout(input, volumes=not where.startswith("adaptive"))
    output, winners = _Maximum.call(x, *pack(windows))
    return (output, _indices(winners, windows)) if return_indices else output


class _Maximum(Rule):
    """Outputs y and t*."""

    @staticmethod
    def forward(x: Tensor, *numbers: int) -> tuple[Tensor, Tensor]:
        windows = unpack(numbers)
        lowest = float("-inf") if x.is_floating_point() else torch.iinfo(x.dtype).min
        first, *others = taps(padded(x, windows, lowest), windows)
        output, winners = first.clone(), _first_inside(windows, first)
        for t, tap in enumerate(others, start=1):
            larger = (tap > output) | (tap != tap)
            winners = torch.maximum(winners, larger.to(winners.dtype) * t)
            output = torch.maximum(output, tap)
        return output, winners

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        _, *ctx.numbers = inputs
        save(ctx, output[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        windows = unpack(ctx.numbers)
        indices = _indices(*ctx.saved_tensors, windows)
        shape = (*grad_output.shape[: -len(windows)], *(window.size for window in windows))
        flat = [t.flatten(-len(windows)) for t in (grad_output.new_zeros(shape), indices, grad_output)]
        grad_x = flat[0].scatter_add(-1, flat[1], flat[2]).reshape(shape)
        return grad_x, *(None for _ in ctx.numbers)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:
        windows = unpack(ctx.numbers)
        indices = _indices(*ctx.saved_tensors, windows)
        chosen = tangent.flatten(-len(windows)).gather(-1, indices.flatten(-len(windows)))
        return chosen.reshape(indices.shape), None


def _first_inside(windows: Sequence[Window], like: Tensor) -> Tensor:
    """The first place of each window that is not padding: the winner, unless a larger value comes."""
    count = 1
    for window in windows:
        count *= window.kernel
    dtype = torch.uint8 if count <= 256 else torch.int32
    winners = torch.zeros_like(like, dtype=dtype)
    for axis, window in enumerate(windows):
        count //= window.kernel
        if window.padding:
            outside = [max(0, -(window.start(o) // window.dilation)) for o in range(window.out)]
            shape = [-1] + [1] * (len(windows) - axis - 1)
            winners = winners + count * torch.tensor(outside, dtype=dtype, device=like.device).reshape(shape)
    return winners


def _indices(winners: Tensor, windows: Sequence[Window]) -> Tensor:
    """i(o, t*), in the flattened channel."""
    indices, rest = 0, winners.to(torch.int64)
    length = 1
    for axis, window in enumerate(reversed(windows)):
        t = rest if axis == len(windows) - 1 else rest % window.kernel
        rest = rest // window.kernel if axis < len(windows) - 1 else rest
        starts = torch.tensor([window.start(o) for o in range(window.out)], device=winners.device)
        indices = indices + (t * window.dilation + starts.reshape([-1] + [1] * axis)) * length
        length *= window.size
    return indices
