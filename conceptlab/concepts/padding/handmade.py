r"""Padding, by copies of whole slices, with its derivative.

An axis is padded by copying its two borders from slices of what is already there; an axis at a time, so that a corner
is the border of a border. Padding is linear apart from ``value``: $y = P x + c$, where each row of $P$ has a single 1,
at the source of that place. So forward mode is $\dot y = P \dot x$, and backward

$$ \frac{\partial L}{\partial x_i} = \sum_{j:\, s(j) = i} \frac{\partial L}{\partial y_j}
   \qquad\text{that is}\qquad P^\top g, $$

each border added to the slice that it was copied from, the axes in the opposite order: the border is *folded* back.
$P^\top$ is linear too, with $P$ as its own derivative: backward of backward pads again, with zeros for ``value``.

A negative padding cuts off. ``reflect`` and ``replicate`` count from the edges of the whole input, so they are cut
after padding; ``circular`` goes round in what is left, and ``constant`` need not copy what falls away: cut before.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, did_you_mean, message

_MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    _check(input, pad, mode, value)
    borders, cuts = [max(p, 0) for p in pad], [max(-p, 0) for p in pad]
    if mode in ("reflect", "replicate"):
        padded = _Pad.call(input, mode, 0, *borders)
        # a copy, because torch returns no view either
        return _cut(padded, cuts).clone() if any(cuts) else padded
    cut = _cut(input, cuts)
    # where there is nothing to fill, torch keeps the order in memory, whatever it is
    return _Pad.call(cut, mode, value or 0, *borders) if any(borders) or mode == "circular" else cut.clone()


class _Pad(Rule):
    @staticmethod
    def forward(x: Tensor, mode: str, value: float, *pad: int) -> Tensor:
        shape = list(x.shape)
        for axis, left, right in _axes(x, pad):
            shape[axis] += left + right
        output = _empty(x, shape, mode)
        middle = output
        for axis, left, _ in _axes(x, pad):
            middle = middle.narrow(axis, left, x.shape[axis])
        middle.copy_(x)
        for axis, left, right in _axes(x, pad):
            for border, source in _borders(output, axis, left, right, mode):
                border.fill_(value) if source is None else border.copy_(_mirrored(source, axis, mode))
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, ctx.mode, _, *ctx.pad = inputs

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _Fold.call(grad_output, ctx.mode, *ctx.pad), None, None, *(None for _ in ctx.pad)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _Pad.call(tangent, ctx.mode, 0, *ctx.pad)


class _Fold(Rule):
    """The transpose of `_Pad`."""

    @staticmethod
    def forward(g: Tensor, mode: str, *pad: int) -> Tensor:
        # the first clone keeps the caller's gradient from being written to
        folded = g if mode == "constant" else g.clone()
        for axis, left, right in _axes(g, pad):
            size = g.shape[axis] - left - right
            for border, source in _borders(folded, axis, left, right, mode):
                if source is not None:
                    source += border.sum(axis, keepdim=True) if mode == "replicate" else _mirrored(border, axis, mode)
            folded = folded.narrow(axis, left, size)
        return folded.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, ctx.mode, *ctx.pad = inputs

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _Pad.call(grad_output, ctx.mode, 0, *ctx.pad), None, *(None for _ in ctx.pad)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return _Fold.call(tangent, ctx.mode, *ctx.pad)


def _axes(x: Tensor, pad: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each axis that ``pad`` speaks of, with its two entries; the last axis is the first."""
    for n in range(len(pad) // 2):
        yield x.dim() - 1 - n, pad[2 * n], pad[2 * n + 1]


def _borders(padded: Tensor, axis: int, left: int, right: int, mode: str) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Views of the borders along an axis, each with the view of its source; a constant has none."""
    size = padded.shape[axis] - left - right
    first, last = left, left + size - 1
    # for each border: its start and length, and the start of its source
    table = {
        "constant": ((0, left, None), (last + 1, right, None)),
        "reflect": ((0, left, first + 1), (last + 1, right, last - right)),
        "replicate": ((0, left, first), (last + 1, right, last)),
        "circular": ((0, left, last + 1 - left), (last + 1, right, first)),
    }
    for start, length, source in table[mode]:
        if length > 0:
            border = padded.narrow(axis, start, length)
            yield border, None if source is None else padded.narrow(axis, source, 1 if mode == "replicate" else length)


def _mirrored(x: Tensor, axis: int, mode: str) -> Tensor:
    return x.flip(axis) if mode == "reflect" else x


def _cut(x: Tensor, cuts: Sequence[int]) -> Tensor:
    for axis, left, right in _axes(x, cuts):
        if left or right:
            x = x.narrow(axis, left, x.shape[axis] - left - right)
    return x


def _empty(x: Tensor, shape: list[int], mode: str) -> Tensor:
    """Room for the result, in the input's memory format; torch's circular padding is always contiguous."""
    if mode == "circular" or not _is_channels_last(x):
        return x.new_empty(shape)
    _, C, *space = shape
    strides = [C * math.prod(space[n:]) for n in range(len(space) + 1)]
    return x.new_empty_strided(shape, [strides[0], 1, *strides[1:]])


def _is_channels_last(x: Tensor) -> bool:
    # asked of the strides, because vmap does not answer `is_contiguous(memory_format=…)`, and a cut tensor is neither
    if x.dim() not in (4, 5) or x.stride(1) != 1:
        return False
    batch, _, *space = x.stride()
    return sorted(space, reverse=True) == space and batch >= space[0] and space[-1] >= x.shape[1]


def _check(input: Tensor, pad: Sequence[int], mode: str, value: float | None) -> None:
    """Refuse what torch refuses."""
    dim, count = input.dim(), len(pad)
    if count % 2 or count > 2 * dim:
        raise RuntimeError(
            message(
                "pad: Padding length must be divisible by 2, and less than or equal to two times the input dimension",
                expected=f"at most {2 * dim} numbers, two for each axis",
                received=f"{count}",
                remedy="List (left, right) of the last axis, then of the one before it, and so on.",
            )
        )
    if mode not in _MODES:
        raise NotImplementedError(
            message(
                "pad: Unrecognised padding mode",
                expected=f"one of {', '.join(_MODES)}",
                received=repr(mode),
                remedy=did_you_mean(mode, _MODES),
            )
        )
    if mode != "constant":
        _check_borders(input, pad, mode, value)
    for axis, left, right in _axes(input, pad):
        size = input.shape[axis]
        # torch cuts a constant's axis one side after the other, and neither may ask for more than there is; what is
        # copied from the border has to leave something
        least = 1 if mode in ("reflect", "replicate") else 0
        if size + left + right < least or (mode == "constant" and size + min(left, 0) + min(right, 0) < 0):
            raise RuntimeError(
                message(
                    "pad: negative padding: length must be non-negative",
                    expected=f"to cut at most {size - least} places off axis {axis}",
                    received=f"{left} and {right}",
                    remedy="Cut off less.",
                )
            )


def _check_borders(input: Tensor, pad: Sequence[int], mode: str, value: float | None) -> None:
    """Refuse what the modes that copy from the input cannot do."""
    if value:
        raise RuntimeError(
            message(
                f"pad: Padding mode '{mode}' doesn't take in value argument",
                expected="no value",
                received=f"{value}",
                remedy="Leave value out, or choose mode='constant'.",
            )
        )
    axes = len(pad) // 2
    if axes not in (1, 2, 3) or input.dim() not in (axes + 1, axes + 2):
        raise NotImplementedError(
            message(
                f"pad: Padding size {len(pad)} is not supported for {input.dim()}D input tensor",
                expected="1, 2 or 3 axes to pad, with one or two more before them",
                received=f"shape {tuple(input.shape)} and {axes} axes to pad",
                remedy="Add axes of size 1, or pad with mode='constant'.",
            )
        )
    if mode != "circular" and input.dtype is torch.bool:
        raise NotImplementedError(
            message(
                f"pad: mode {mode} not implemented for 'Bool'",
                expected="numbers",
                received="a boolean tensor",
                remedy="Convert it, for instance with input.byte().",
            )
        )
    if mode != "circular" and 0 in input.shape[-axes - 1 :]:
        raise RuntimeError(
            message(
                f'pad: Padding mode "{mode}"',
                expected="a tensor with possibly 0 batch size and other non-zero dimensions for input",
                received=f"shape {tuple(input.shape)}",
                remedy="There is nothing to copy from; pad with mode='constant'.",
            )
        )
    for axis, left, right in _axes(input, pad):
        # a mirror does not repeat the edge; a ring goes round in what is left after cutting
        size = input.shape[axis]
        limit = size - 1 if mode == "reflect" else size + min(left, 0) + min(right, 0)
        if mode != "replicate" and max(left, right) > limit:
            raise RuntimeError(
                message(
                    "pad: Padding size should be less than the corresponding input dimension"
                    if mode == "reflect"
                    else "pad: Padding value causes wrapping around more than once",
                    expected=f"at most {limit} places along axis {axis} of size {size}",
                    received=f"{left} and {right}",
                    remedy="Pad less, or in two steps.",
                )
            )
