"""Padding by its definition: for each place of the result, the place of the input that it is a copy of."""

from collections.abc import Sequence

import torch
from torch import Tensor


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    if len(pad) % 2 or len(pad) > 2 * input.dim():
        raise RuntimeError(f"pad: Padding length must be divisible by 2 and at most {2 * input.dim()}, got {len(pad)}.")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: Unrecognised padding mode {mode}.")
    output = input.clone()
    for n in range(len(pad) // 2):
        axis = input.dim() - 1 - n
        output = _pad_axis(output, axis, pad[2 * n], pad[2 * n + 1], mode, value or 0)
    if mode != "circular" and input.dim() == 4 and input.is_contiguous(memory_format=torch.channels_last):
        return output if input.is_contiguous() else output.contiguous(memory_format=torch.channels_last)
    return output


def _pad_axis(x: Tensor, axis: int, left: int, right: int, mode: str, value: float) -> Tensor:
    size = x.shape[axis]
    if mode == "circular":
        # what is cut off is no longer part of the ring
        x = x.narrow(axis, max(-left, 0), size - max(-left, 0) - max(-right, 0))
        size, left, right = x.shape[axis], max(left, 0), max(right, 0)
    if size + left + right < 0 or (mode == "circular" and max(left, right) > size):
        raise RuntimeError(f"pad: a padding of {left} and {right} does not go with size {size}.")
    if mode == "reflect" and max(left, right) >= size:
        raise RuntimeError(f"pad: Padding size should be less than the input's {size}, got {left} and {right}.")
    blank = x.new_full([1 if a == axis else n for a, n in enumerate(x.shape)], value)
    places = [_source(j - left, size, mode) for j in range(left + size + right)]
    columns = [blank if place is None else x.narrow(axis, place, 1) for place in places]
    # an empty slice goes first, so that even a result of blanks alone depends on the input
    return torch.cat([x.narrow(axis, 0, 0), *columns], axis)


def _source(i: int, size: int, mode: str) -> int | None:
    if 0 <= i < size:
        return i
    if mode == "constant":
        return None
    if mode == "reflect":
        return -i if i < 0 else 2 * (size - 1) - i
    if mode == "replicate":
        return 0 if i < 0 else size - 1
    return i % size
