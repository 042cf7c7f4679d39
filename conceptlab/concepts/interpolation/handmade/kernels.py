"""What a pixel weighs at a distance, in old pixels; 1 at 0, and nothing beyond the kernel's reach."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def near(d: Tensor, a: float) -> Tensor:
    """Keys's cubic up to the distance 1."""
    return ((a + 2) * d - (a + 3)) * d * d + 1


def far(d: Tensor, a: float) -> Tensor:
    """The same from 1, where its slope is ``a``, to 2."""
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


def _triangle(d: Tensor) -> Tensor:
    return (1 - d).clamp(min=0)


def _cubic(d: Tensor) -> Tensor:
    a = -0.5  # Pillow's, as torch has it for antialias; -0.75 without
    return torch.where(d < 1, near(d, a), far(d, a).masked_fill(d >= 2, 0))


def _lanczos(d: Tensor) -> Tensor:
    return (_sinc(d) * _sinc(d / 3)).masked_fill(d >= 3, 0)


def _sinc(x: Tensor) -> Tensor:
    angle = math.pi * x.clamp(min=1e-30)  # sin(x) / x is 1 near 0
    return angle.sin() / angle


KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "linear": (_triangle, 1),
    "cubic": (_cubic, 2),
    "lanczos": (_lanczos, 3),
}
"""By mode: the kernel of ``antialias``, and how far it reaches."""
