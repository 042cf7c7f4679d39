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

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

from conceptlab.concepts.pooling.handmade.windows import Window, in_torch_layout, pack, padded, taps, unpack
from conceptlab.core import Rule, in_pieces, message, save

BLOCK = 2**18
"""Elements of a piece of the input: with its taps within the cache."""

MANY = 16
"""Values of a window from which on a loop over taps is slower."""


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
    x = in_torch_layout(input, len(windows), volumes=not where.startswith("adaptive"))
    output, winners = _Maximum.call(x, *pack(windows))
    return (output, _indices(winners, windows)) if return_indices else output


class _Maximum(Rule):
    """Outputs y and t*."""

    @staticmethod
    def forward(x: Tensor, *numbers: int) -> tuple[Tensor, Tensor]:
        windows = unpack(numbers)
        lowest = float("-inf") if x.is_floating_point() else torch.iinfo(x.dtype).min
        first, *others = (_run(padded(rows, windows, lowest), windows) for rows in _in_blocks(x))
        if not others:
            return first
        outputs, winners = zip(first, *others, strict=True)
        return torch.cat(outputs), torch.cat(winners)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        _, *ctx.numbers = inputs
        save(ctx, output[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        windows = unpack(ctx.numbers)
        (winners,) = ctx.saved_tensors
        indices = _indices(winners, windows)
        shape = (*grad_output.shape[: -len(windows)], *(window.size for window in windows))
        flat = [t.flatten(-len(windows)) for t in (grad_output.new_zeros(shape), indices, grad_output)]
        grad_x = flat[0].scatter_add_(-1, flat[1], flat[2]).reshape(shape)
        return grad_x, *(None for _ in ctx.numbers)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:
        windows = unpack(ctx.numbers)
        (winners,) = ctx.saved_tensors
        indices = _indices(winners, windows)
        chosen = tangent.flatten(-len(windows)).gather(-1, indices.flatten(-len(windows)))
        return chosen.reshape(indices.shape), None


def _run(x: Tensor, windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """y and t*, of a padded input."""
    count = math.prod([window.kernel for window in windows])
    if count > MANY and all(window.tiles for window in windows):
        output, winners = _at_once(x, windows)
        if x.is_contiguous():
            return output, winners
        first = next(taps(x, windows))  # has its axes in the order that x has them in memory
        return torch.empty_like(first).copy_(output), torch.empty_like(first, dtype=winners.dtype).copy_(winners)
    # a count up to 256 is exact in every floating-point dtype
    dtype = x.dtype if x.is_floating_point() and count <= 256 else torch.int32
    first, *others = taps(x, windows)
    output, winners = first.clone(), _first_inside(windows, first, dtype)
    for t, tap in enumerate(others, start=1):
        tap = tap.contiguous() if output.is_contiguous() else tap
        winners = torch.maximum(winners, _larger(tap, output).to(dtype) * t)
        output = torch.maximum(output, tap)
    return output, winners.to(torch.uint8 if count <= 256 else torch.int32)


def _larger(tap: Tensor, output: Tensor) -> Tensor:
    """1 where the tap is larger, or NaN, and 0 where not."""
    if _plain():
        larger, is_nan = torch.empty_like(tap), torch.empty_like(tap)
        return torch.gt(tap, output, out=larger).add_(torch.ne(tap, tap, out=is_nan))
    return (tap > output) | (tap != tap)


def _plain() -> bool:
    """Whether to compare into the dtype of the values: several times as fast as with a boolean result.

    A compiler vectorises the boolean, and vmap, a level of torch.func, has no rule for the memory of a result.
    """
    return not torch.compiler.is_compiling() and maybe_current_level() is None


def _at_once(x: Tensor, windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """The same for windows of many values that tile the input: each as one axis, instead of a loop over taps."""
    lead, rank = x.shape[: -len(windows)], len(windows)
    x = x.reshape(*lead, *(size for window in windows for size in (window.out, window.kernel)))
    outer, inner = (range(len(lead) + first, x.dim(), 2) for first in (0, 1))
    values = x.permute(*range(len(lead)), *outer, *inner).flatten(-rank)
    output, count = values.amax(-1), values.shape[-1]
    # the first of equals has the highest score of them; the last NaN, which equals nothing, the highest of all
    if _plain() and x.dtype in (torch.float32, torch.float64):
        t = torch.arange(count, device=x.device, dtype=x.dtype)
        score = torch.eq(values, output.unsqueeze(-1), out=torch.empty_like(values)).mul_(count - t)
        score.addcmul_(torch.ne(values, values, out=torch.empty_like(values)), count + 1 + t)
    else:
        t = torch.arange(count, device=x.device, dtype=torch.int32)
        score = (values == output.unsqueeze(-1)) * (count - t) + (values != values) * (count + 1 + t)
    best = score.amax(-1) - count
    winner = torch.maximum(best - 1, -best)
    # a compiled kernel asserts that also what it computes beyond the output is a place, and fails if it is not
    return output, winner.clamp(0, count - 1).to(torch.int32)


def _in_blocks(x: Tensor) -> Sequence[Tensor]:
    """The input in pieces along the batch, so small that what is computed from a piece stays in the cache."""
    if x.numel() <= BLOCK or not in_pieces(x):
        return [x]
    return x.split(max(1, BLOCK * x.shape[0] // x.numel()))


def _first_inside(windows: Sequence[Window], like: Tensor, dtype: torch.dtype) -> Tensor:
    """The first place of each window that is not padding: the winner, unless a larger value comes."""
    count = math.prod([window.kernel for window in windows])
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
    lengths = [math.prod([window.size for window in windows[axis + 1 :]]) for axis in range(len(windows))]
    axes, device = list(zip(windows, lengths, strict=True)), winners.device
    first = [[w.start(o) * n for o in range(w.out)] for w, n in axes]
    starts = _sums_of_all([torch.tensor(row, dtype=torch.int64, device=device) for row in first])
    # a table instead of divisions, which cost more than all the rest
    steps = [(w.kernel, w.dilation * n) for w, n in axes]
    table = _sums_of_all([torch.arange(0, count * step, step, device=device) for count, step in steps]).reshape(-1)
    moves = table.index_select(0, winners.reshape(-1).to(torch.int64)).reshape(winners.shape)
    indices = moves.add_(starts)
    return indices if winners.is_contiguous() else torch.empty_like(winners, dtype=torch.int64).copy_(indices)


def _sums_of_all(rows: Sequence[Tensor]) -> Tensor:
    """The sum of one number from each row, for all combinations."""
    return reduce(lambda total, row: total.unsqueeze(-1) + row, rows)
