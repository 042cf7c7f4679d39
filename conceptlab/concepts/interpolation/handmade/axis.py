"""Which old pixels a new one looks at, along one axis."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from conceptlab.concepts.interpolation.handmade.kernels import KERNELS, far, near


class Axis(NamedTuple):
    """``size`` old pixels and ``out`` new ones; ``factor`` is the magnification that was asked for, or 0."""

    mode: str
    aligned: bool | None
    smooth: bool
    """``antialias``: whether the kernel widens where the image shrinks."""
    pixelwise: bool
    """Whether torch looks for each pixel's neighbour anew, in float32, instead of making a table."""
    size: int
    out: int
    factor: float

    @property
    def stays(self) -> bool:
        """Whether the new pixels are the old ones."""
        at_once = self.smooth or self.mode == "linear"
        return self.size == self.out and (at_once or self.factor in (0, 1))

    @property
    def repeats(self) -> int:
        """How often each pixel comes again, where that is all; else 0."""
        if self.size == 1:
            return self.out
        # a power of two, whose reciprocal is exact: no rounding can go another way
        times = self._times
        return times if self.mode.startswith("nearest") and times & (times - 1) == 0 else 0

    @property
    def phases(self) -> int:
        """How many new pixels there are to an old one, where their weights are the same for all; else 0."""
        return self._times if self.mode == "linear" and not self.aligned else 0

    @property
    def _times(self) -> int:
        times = self.out // self.size
        return times if times * self.size == self.out and self.factor in (0, times) else 0

    @property
    def step(self) -> float:
        """The distance of two new pixels, in old ones."""
        if self.aligned:
            return (self.size - 1) / (self.out - 1) if self.out > 1 else 0.0
        return 1 / self.factor if self.factor else self.size / self.out

    def taps(self, like: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The places i(t, o) and the weights w(t, o); a single tap has the weight 1."""
        if self.mode not in ("linear", "cubic"):
            return [self._nearest(like)], []
        new = torch.arange(self.out, dtype=torch.float64, device=like.device)
        places = new * self.step if self.aligned else (new + 0.5) * self.step - 0.5
        low = places.floor()
        share = places - low
        offsets = (0, 1) if self.mode == "linear" else (-1, 0, 1, 2)
        weights = [1 - share, share] if self.mode == "linear" else _cubic(share)
        # beyond the border there is the border's pixel again
        pixels = [(low + offset).clamp(0, self.size - 1).long() for offset in offsets]
        return pixels, [weight.to(like.dtype) for weight in weights]

    def _nearest(self, like: Tensor) -> Tensor:
        """The pixel below: at a tie the rounding decides, and so the operations are torch's, one by one."""
        precise = like.dtype is torch.float64 and not self.pixelwise
        dtype = torch.float64 if precise else torch.float32
        step = torch.tensor(self.step, dtype=dtype)
        new = torch.arange(self.out, dtype=dtype, device=like.device)
        if self.mode == "nearest":
            places = new * step
        elif self.pixelwise:
            places = (new + 0.5) * step
        else:
            places = ((new.double() + 0.5) * step - 0.5).to(dtype) + 0.5
        return places.float().long().clamp(max=self.size - 1)

    def matrix(self, like: Tensor) -> Tensor:
        """A, (out, size): the weight of each old pixel in each new one."""
        A = like.new_zeros(self.out, self.size)
        if self.smooth:
            return A.scatter_add(1, *self._band(like))
        places, weights = self.taps(like)
        ones = [torch.ones_like(place, dtype=like.dtype) for place in places]
        for place, weight in zip(places, weights or ones, strict=True):
            # near the border several taps of one new pixel may look at the same old one
            A = A.scatter_add(1, place.unsqueeze(1), weight.unsqueeze(1))
        return A

    def _band(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The places around each new pixel, (out, T), and their weights, whose sum is 1."""
        kernel, reach = KERNELS[self.mode]
        stretch = max(self.step, 1.0)
        T = 2 * math.ceil(reach * stretch) + 1
        # the centre of the new pixel is that without `align_corners`, as torch has it
        centres = (torch.arange(self.out, dtype=torch.float64, device=like.device).unsqueeze(1) + 0.5) * self.step
        places = (centres - reach * stretch).floor() + torch.arange(T, device=like.device)
        inside = places.clamp(0, self.size - 1)
        # beyond the border there is nothing
        weights = kernel((places + 0.5 - centres).abs() / stretch).masked_fill(inside != places, 0)
        return inside.long(), (weights / weights.sum(1, keepdim=True)).to(like.dtype)

    def seen(self, first: int, end: int) -> tuple[int, int]:
        """From where to where the new pixels ``first`` … ``end`` - 1 may look at old ones; generously."""
        low, high = math.floor(first * self.step - self._reach), math.ceil(end * self.step + self._reach)
        return max(low, 0), min(high, self.size)

    def readers(self, first: int, end: int) -> tuple[int, int]:
        """From where to where new pixels may look at old ones among ``first`` … ``end`` - 1; generously."""
        if self.out == 1:
            return 0, 1
        before = math.floor((first - self._reach) / self.step) - 1
        behind = math.ceil((end + self._reach) / self.step) + 1
        return max(before, 0), min(behind, self.out)

    @property
    def _reach(self) -> float:
        """No new pixel looks farther than this."""
        return KERNELS[self.mode][1] * max(self.step, 1.0) if self.smooth else 3.0


def _cubic(share: Tensor) -> list[Tensor]:
    """Keys's weights of four pixels in a row, for a place between the two in the middle; their slope at 1 is a."""
    a = -0.75
    return [far(1 + share, a), near(share, a), near(1 - share, a), far(2 - share, a)]


def unpack(scalars: tuple) -> list[Axis]:
    """The axes, from the flat scalars of a rule: what they share, then three numbers for each."""
    mode, aligned, smooth, pixelwise, *numbers = scalars
    return [Axis(mode, aligned, smooth, pixelwise, *numbers[i : i + 3]) for i in range(0, len(numbers), 3)]
