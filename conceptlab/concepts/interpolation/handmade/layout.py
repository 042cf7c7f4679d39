"""Channels first or last: pixels in the order of memory, and back."""

import torch
from torch import Tensor


def pixels(x: Tensor) -> tuple[Tensor, int]:
    """``x`` with its axes in the order of memory, and the first of those that change."""
    return (x.movedim(1, -1), 1) if _is_channels_last(x) else (x, 2)


def like(y: Tensor, x: Tensor) -> Tensor:
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
