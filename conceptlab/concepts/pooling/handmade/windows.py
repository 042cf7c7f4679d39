"""Where the windows lie: what the kinds of pooling have in common.

Along each axis the windows are one of two kinds. *Sliding* ones have one length and lie evenly. *Adaptive* ones may
differ in length, by one, where the input cannot be divided evenly; the ends of the shorter ones are filled up with a
place just beyond the input. In both, the values at place ``t`` of all windows form a tensor as large as the output, a
*tap*, and everything else is arithmetic on taps.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from conceptlab.core import declare, message

ops = declare("nn", "handmade")
Sizes = int | Sequence[int | None]


class Window(NamedTuple):
    """The windows along one axis. Plain numbers, so that a rule can take them; ``stride`` 0 means adaptive."""

    size: int
    out: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    def start(self, o: int) -> int:
        """The first place of window ``o``, before the input where it is padded."""
        return o * self.stride - self.padding if self.stride else o * self.size // self.out

    def count(self, o: int, include_pad: bool = False) -> int:  # type: ignore[override]  # nobody counts a tuple of numbers
        """The number of values of window ``o``."""
        if not self.stride:
            return -(-(o + 1) * self.size // self.out) - self.start(o)
        margin = self.padding if include_pad else 0
        return min(self.start(o) + self.kernel, self.size + margin) - max(self.start(o), -margin)

    @property
    def left(self) -> int:
        """How many values the windows reach beyond the input, on the left."""
        return self.padding

    @property
    def right(self) -> int:
        """The same on the right."""
        if not self.stride:
            return 1
        return max(0, (self.out - 1) * self.stride + (self.kernel - 1) * self.dilation + 1 - self.size - self.padding)

    @property
    def tiles(self) -> bool:
        """Whether the windows cover the axis exactly, each value once."""
        return self.stride == self.kernel and self.padding == 0 and self.size == self.out * self.kernel

    def taps(self, padded: Tensor, axis: int) -> Iterator[Tensor]:
        """Value ``t`` of every window for each ``t``, from the padded input: views where the windows slide."""
        if not self.stride:
            for t in range(self.kernel):
                # (index_select would be faster, but loses the memory format)
                yield torch.cat([padded.narrow(axis, place, 1) for place in self.places(t)], axis)
            return
        lead = (slice(None),) * (padded.dim() + axis)
        for t in range(self.kernel):
            first = t * self.dilation
            yield padded[(*lead, slice(first, first + (self.out - 1) * self.stride + 1, self.stride))]

    def inside(self, x: Tensor, axis: int, o: int) -> Tensor:
        """All values of the adaptive window ``o``: a view."""
        return x.narrow(axis, self.start(o), self.count(o))

    def places(self, t: int) -> list[int]:
        """The places of value ``t`` of adaptive windows; that of a window that has none is just behind the input."""
        return [self.start(o) + t if t < self.count(o) else self.size for o in range(self.out)]


def pack(windows: Sequence[Window]) -> list[int]:
    """The windows as flat numbers."""
    return [number for window in windows for number in window]


def unpack(numbers: Sequence[int]) -> list[Window]:
    """The windows again."""
    return [Window(*numbers[i : i + 6]) for i in range(0, len(numbers), 6)]


def padded(x: Tensor, windows: Sequence[Window], value: float) -> Tensor:
    """The input with room for all windows."""
    room = [side for window in reversed(windows) for side in (window.left, window.right)]
    return ops.pad(x, room, value=value) if any(room) else x


def taps(x: Tensor, windows: Sequence[Window]) -> Iterator[Tensor]:
    """All taps of a padded input, the last axis running fastest."""
    if not windows:
        yield x
        return
    for tap in windows[0].taps(x, -len(windows)):
        yield from taps(tap, windows[1:])


def sliding(
    where: str,
    rank: int,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> list[Window]:
    """The windows of ``max_pool`` and ``avg_pool``."""
    _check_input(where, rank, input, input.shape[-rank - 1 :])
    kernel = _numbers(where, "kernel_size", kernel_size, rank)
    strides = kernel if stride is None or stride == () or stride == [] else _numbers(where, "stride", stride, rank)
    paddings, dilations = _numbers(where, "padding", padding, rank), _numbers(where, "dilation", dilation, rank)
    windows = []
    for n, k, s, p, d in zip(input.shape[-rank:], kernel, strides, paddings, dilations, strict=True):
        if k <= 0 or s <= 0 or d <= 0:
            _refuse(where, "stride should not be zero", "kernel_size, stride and dilation of at least 1", (k, s, d))
        if p < 0 or p > k // 2:
            problem = "pad must be non-negative, pad should be at most half of kernel size"
            _refuse(where, problem, f"0 <= padding <= {k // 2}", p)
        steps = n + 2 * p - d * (k - 1) - 1
        out = (-(-steps // s) if ceil_mode else steps // s) + 1
        # only a window more than fits in, of ceil_mode, can begin so late
        if (out - 1) * s >= n + p:
            out -= 1
        if out < 1:
            _refuse(where, "Output size is too small", "a window that fits into the padded input", f"{k} over {n}")
        windows.append(Window(n, out, k, s, p, d))
    return windows


def adaptive(where: str, rank: int, input: Tensor, output_size: Sizes | None) -> list[Window]:
    """The windows of the adaptive kinds: sliding ones where the input can be divided evenly."""
    if rank > 1 and not isinstance(output_size, int) and input.dim() <= rank:
        raise ValueError(
            message(
                where,
                expected=f"Input dimension should be at least {rank + 1}",
                received=f"shape {tuple(input.shape)}",
                remedy="Give ([B,] C, …).",
            )
        )
    # torch takes means of no samples and of no channels, but maxima only where nothing but the first axis is empty
    _check_input(where, rank, input, input.shape[-rank:] if "avg" in where else input.shape[1:])
    if output_size is None:
        remedy = "Give None for an axis, in a tuple."
        raise TypeError(message(where, expected="an int output_size, or several", received="None", remedy=remedy))
    many = [output_size] * rank if isinstance(output_size, int) else list(output_size)
    if len(many) != rank:
        _refuse(where, f"output_size must be {rank} numbers", f"an int, or {rank} of them", output_size)
    outs = [n if out is None else out for n, out in zip(input.shape[-rank:], many, strict=True)]
    if min(outs) < 0:
        _refuse(where, "elements of output_size must be greater than or equal to 0", "sizes", tuple(outs))
    return [_adaptive_axis(n, out) for n, out in zip(input.shape[-rank:], outs, strict=True)]


def _adaptive_axis(n: int, out: int) -> Window:
    if out == 0:
        return Window(n, 0, 1, 1, 0, 1)
    if n % out == 0:
        return Window(n, out, n // out, n // out, 0, 1)
    window = Window(n, out, 0, 0, 0, 1)
    return window._replace(kernel=max(window.count(o) for o in range(out)))


def _numbers(where: str, name: str, value: Sizes, rank: int) -> tuple[int, ...]:
    numbers: tuple[Any, ...] = (value,) if isinstance(value, int) else tuple(value)
    numbers = numbers * rank if len(numbers) == 1 else numbers
    if len(numbers) != rank:
        _refuse(where, f"{name} must either be a single int, or a tuple of {rank} ints", "that", value)
    return numbers


def _check_input(where: str, rank: int, input: Tensor, sizes: Sequence[int]) -> None:
    if input.dim() not in (rank + 1, rank + 2) or math.prod(sizes) == 0:
        problem = f"Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 dim batch size for input"
        _refuse(where, problem, "([B,] C, …)", f"shape {tuple(input.shape)}")


def _refuse(where: str, problem: str, expected: str, received: object) -> None:
    remedy = "conceptlab's page of pooling tells what the arguments mean."
    raise RuntimeError(message(f"{where}: {problem}", expected=expected, received=str(received), remedy=remedy))


def in_torch_layout(x: Tensor, rank: int, *, volumes: bool) -> Tensor:
    """x, contiguous unless its channels lie side by side in memory and torch keeps them so: of volumes, not always."""
    channels_last = x.dim() == rank + 2 and (rank == 2 or (rank == 3 and volumes))
    if x.is_contiguous() or (channels_last and x.movedim(1, -1).is_contiguous()):
        return x
    return x.contiguous()
