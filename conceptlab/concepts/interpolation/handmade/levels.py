"""Bytes: sums in whole numbers, as torch has them, bit for bit."""

import torch
from torch import Tensor

from conceptlab.concepts.interpolation.handmade.axis import Axis
from conceptlab.concepts.interpolation.handmade.layout import like, pixels
from conceptlab.concepts.interpolation.handmade.steps import product


def resample_levels(x: Tensor, axes: list[Axis]) -> Tensor:
    """Columns first, and each axis from bytes into bytes: what lies between two levels, or outside of them, is lost."""
    y, start = pixels(x)
    for n in reversed(range(len(axes))):
        axis = axes[n]
        if axis.size != axis.out:
            # in float64 these products and sums are exact
            y = y.double()
            y = product(y, start + n, _in_16_bits(axis.matrix(y)), axis.seen)
            y = (y + 0.5).floor().clamp(0, 255)
    return like(y, x)


def _in_16_bits(A: Tensor) -> Tensor:
    """The weights as whole multiples of 1 / 2ᵖ, the least p with which the largest of them has 16 bits, but 22 at most.

    A half is rounded away from 0.
    """
    doubled = A.amax() * 2.0 ** torch.arange(1, 23, dtype=A.dtype, device=A.device)
    unit = 2.0 ** -(doubled < 2**15 - 0.5).sum()
    steps = A / unit
    return (steps.abs() + 0.5).floor().copysign(steps) * unit
