"""Which old pixels a new one looks at, along one axis."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Axis(NamedTuple):
    """``size`` old pixels and ``out`` new ones; ``factor`` is the magnification that was asked for, or 0."""

    mode: str
    aligned: bool | None
    pixelwise: bool
    """Whether torch looks for each pixel's neighbour anew, in float32, instead of making a table."""
    size: int
    out: int
    factor: float

    @property
    def stays(self) -> bool:
        """Whether the new pixels are the old ones."""
        at_once = self.mode == "linear" or (self.mode == "nearest" and self.pixelwise)
        return self.size == self.out and (at_once or self.factor in (0, 1))

    @property
    def repeats(self) -> int:
        """How often each pixel comes again, where that is all; else 0."""
        if self.size == 1:
            return self.out
        if self.mode == "nearest" and self.pixelwise and self.out == 2 * self.size:
            return 2  # whatever the factor was
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
            return (self.size - 1) / max(self.out - 1, 1)
        return 1 / self.factor if self.factor else self.size / self.out

    def taps(self, like: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The places i(t, o) and the weights w(t, o); a single tap has the weight 1."""
        if self.mode not in ("linear", "cubic"):
            return [self._nearest(like)], []
        new = torch.arange(self.out, dtype=torch.float64, device=like.device)
        places = new * self.step if self.aligned else (new + 0.5) * self.step - 0.5
        if self.mode == "linear":
            places = places.clamp(min=0)
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
        step = torch.tensor(self.step, dtype=dtype, device=like.device)
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
        places, weights = self.taps(like)
        A = like.new_zeros(self.out, self.size)
        ones = [torch.ones_like(place, dtype=like.dtype) for place in places]
        for place, weight in zip(places, weights or ones, strict=True):
            # near the border several taps of one new pixel may look at the same old one
            A = A.scatter_add(1, place.unsqueeze(1), weight.unsqueeze(1))
        return A

    def readers(self, first: int, end: int) -> tuple[int, int]:
        """From where to where new pixels may look at old ones among ``first`` … ``end`` - 1; generously."""
        before = math.floor((first - 3) / self.step) - 1
        behind = math.ceil((end + 2) / self.step) + 1
        return max(before, 0), min(behind, self.out)


def _cubic(share: Tensor) -> list[Tensor]:
    """Keys's weights of four pixels in a row, for a place between the two in the middle; their slope at 1 is A."""
    A = -0.75

    def near(d: Tensor) -> Tensor:
        return ((A + 2) * d - (A + 3)) * d * d + 1

    def far(d: Tensor) -> Tensor:
        return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A

    return [far(1 + share), near(share), near(1 - share), far(2 - share)]


def unpack(scalars: tuple) -> list[Axis]:
    """The axes, from the flat scalars of a rule: what they share, then three numbers for each."""
    mode, aligned, pixelwise, *numbers = scalars
    return [Axis(mode, aligned, pixelwise, *numbers[i : i + 3]) for i in range(0, len(numbers), 3)]
