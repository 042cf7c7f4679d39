"""Where the windows lie."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Geometry(NamedTuple):
    """How the windows lie on the input: one number an axis, and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def flat(self) -> tuple[int, ...]:
        """As the scalars that a rule takes."""
        return (self.groups, *self.stride, *self.padding, *self.dilation)

    @classmethod
    def of(cls, flat: Sequence[int]) -> "Geometry":
        """Back from `flat`."""
        groups, *rest = flat
        n = len(rest) // 3
        return cls(tuple(rest[:n]), tuple(rest[n : 2 * n]), tuple(rest[2 * n :]), groups)

    def out(self, size: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """How many windows fit along each axis."""
        axes = zip(size, kernel, self.stride, self.padding, self.dilation, strict=True)
        return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes]

    def canvas(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Room for images (…, \\*size, …), one axis on each side of the size, in a border of zeros: the padding."""
        first, *size, last = x.shape
        padded = (n + 2 * p for n, p in zip(size, self.padding, strict=True))
        canvas = x.new_empty(first, *padded, last, dtype=dtype)
        for axis, p in enumerate(self.padding):
            if p > 0:
                canvas.narrow(1 + axis, 0, p).zero_()
                canvas.narrow(1 + axis, canvas.shape[1 + axis] - p, p).zero_()
        return canvas

    def inside(self, canvas: Tensor) -> Tensor:
        """A canvas without its border, as a view."""
        axes = zip(canvas.shape[1:-1], self.padding, strict=True)
        return canvas[(slice(None), *(slice(p, n - p) for n, p in axes))]

    def windows(self, canvas: Tensor, kernel: Sequence[int]) -> Tensor:
        """All windows, (…, \\*out, …, \\*kernel), as a view: neighbours share what they overlap in."""
        for axis, (k, s, d) in enumerate(zip(kernel, self.stride, self.dilation, strict=True)):
            canvas = canvas.unfold(1 + axis, d * (k - 1) + 1, s)
        index: Any = (..., *(slice(None, None, d) for d in self.dilation))
        return canvas[index]

    def taps(self, canvas: Tensor, kernel: Sequence[int], out: Sequence[int]) -> Iterator[Tensor]:
        """For each tap the elements that it meets, one a window, (…, \\*out, …), as a view."""
        for place in product(*map(range, kernel)):
            axes = zip(place, out, self.stride, self.dilation, strict=True)
            yield canvas[(slice(None), *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, n, s, d in axes))]


def room(shape: Sequence[int], *inputs: Tensor) -> Tensor:
    """An empty tensor for a result; channels-last if one of the inputs is, as torch has it."""
    rank = len(shape) - 2
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    # in float64 torch's volumes do not go through oneDNN, nor anything through cuDNN, and come out contiguous
    plain = inputs[0].dtype is torch.float64 and (rank == 3 or inputs[0].is_cuda)
    if rank in formats and not plain:
        for x in inputs:
            if x.is_contiguous(memory_format=formats[rank]) and not x.is_contiguous():
                return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=formats[rank])
    return inputs[0].new_empty(shape)


def reused(old: Tensor | None, shape: Sequence[int], like: Tensor) -> Tensor:
    """The ``old`` memory if it has that shape, else new: from block to block, new memory costs as much as a copy."""
    return like.new_empty(shape) if old is None or old.shape != tuple(shape) else old
