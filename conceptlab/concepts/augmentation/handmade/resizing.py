r"""Resizing, an axis at a time.

Pixel $i$ of $m$ new ones has its centre at $c = (i + \tfrac12)\, s$ on the old axis, with $s = n / m$ for $n$ old
pixels, whose centres are at $j + \tfrac12$. Its value is the mean of the old pixels around, weighted by their distance,

$$ y_i = \sum_j w_{ij} x_j, \qquad w_{ij} \propto k\!\left(\frac{j + \frac12 - c}{\max(s, 1)}\right) $$

with the kernel $k(d) = 1 - |d|$ for ``bilinear``, and for ``bicubic`` the piecewise cubic of Keys. The $\max$ is
``antialias``: when the image shrinks, the kernel widens with $s$, so that no old pixel is passed over; without, it
reaches the two or four nearest ones only, and a place beyond the border shows the border's pixel.

The weights depend on the axis alone, not on the image. So the sum is a matrix product, $y = x W^\top$; and as $W$ has
its weights around the diagonal, `BLOCK` new pixels at a time need a narrow part of it, and of the image.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation.handmade.moving import crop
from conceptlab.core import did_you_mean, message

Interpolation: TypeAlias = InterpolationMode | str | int
_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
BLOCK = 32
"""New pixels at a time: the product is dense, and so costs by the width of the block."""
_NAMES = [mode.value for mode in InterpolationMode]


def resize(
    inpt: Tensor,
    size: list[int] | None,
    interpolation: Interpolation = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    mode = interpolation_name(interpolation)
    H, W = inpt.shape[-2:]
    height, width = _new_size((H, W), size, max_size)
    if (height, width) == (H, W):
        return inpt
    if mode in ("nearest", "nearest-exact"):
        rows, columns = (_nearest(mode, n, m, inpt.device) for n, m in ((H, height), (W, width)))
        return inpt.index_select(-2, rows).index_select(-1, columns)
    if mode not in ("bilinear", "bicubic"):
        raise NotImplementedError(
            message(
                "resize",
                expected="nearest, nearest-exact, bilinear or bicubic",
                received=mode,
                remedy="Choose one of these, or tier='builtin'.",
            )
        )
    exact = inpt.dtype in (torch.float32, torch.float64)
    image = inpt if exact else inpt.float()
    # bytes are resized into bytes, columns first, and so lose what lies between two levels or outside of them
    to_bytes = inpt.dtype == torch.uint8
    for axis, m in ((-1, width), (-2, height)):
        if m != image.shape[axis]:
            image = _resize_axis(image, axis, m, mode, antialias, to_bytes)
    return (image if inpt.is_floating_point() else image.round()).to(inpt.dtype)


def resized_crop(
    inpt: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size: list[int],
    interpolation: Interpolation = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def interpolation_name(interpolation: Interpolation) -> str:
    """The name of an interpolation that is given as a name, as Pillow's number or as torchvision's enumeration."""
    name: Any = _PILLOW.get(interpolation) if isinstance(interpolation, int) else interpolation
    name = name.value if isinstance(name, InterpolationMode) else name
    if name not in _NAMES:
        raise ValueError(
            message(
                "interpolation",
                expected="an `InterpolationMode`, its name, or a Pillow integer constant",
                received=repr(interpolation),
                remedy=did_you_mean(str(interpolation), _NAMES),
            )
        )
    return name


def _new_size(old: tuple[int, int], size: Sequence[int] | int | None, max_size: int | None) -> tuple[int, int]:
    """Height and width: ``size`` is both, or the shorter edge; ``max_size`` limits the longer one."""
    if size is not None and not isinstance(size, int) and len(size) == 2:
        if max_size is not None:
            raise ValueError(_size_message("size of one edge, or None, where max_size is given", f"size={size}"))
        return size[0], size[1]
    short, long = sorted(old)
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(_size_message("max_size must be an integer when size is None", f"max_size={max_size}"))
        new_short, new_long = int(max_size * short / long), max_size
    else:
        new_short = size if isinstance(size, int) else size[0]
        new_long = int(new_short * long / short)
        if max_size is not None and max_size <= new_short:
            raise ValueError(_size_message(f"max_size strictly greater than the requested size {size}", f"{max_size}"))
        if max_size is not None and new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if old[0] > old[1] else (new_short, new_long)


def _size_message(expected: str, received: str) -> str:
    return message("resize", expected=expected, received=received, remedy="Give [height, width], or the shorter edge.")


def _nearest(mode: str, n: int, m: int, device: torch.device) -> Tensor:
    """The old pixel at each new one's corner (``nearest``) or centre; in float32, whose rounding decides at ties."""
    scale = torch.tensor(n, dtype=torch.float32) / m
    places = torch.arange(m, dtype=torch.float32) + (0.5 if mode == "nearest-exact" else 0.0)
    return (places * scale).floor().long().clamp_(max=n - 1).to(device)


def _resize_axis(image: Tensor, axis: int, m: int, mode: str, antialias: bool | None, to_bytes: bool) -> Tensor:
    n = image.shape[axis]
    bands = [_weights(n, m, begin, min(begin + BLOCK, m), mode, antialias) for begin in range(0, m, BLOCK)]
    largest: Any = max(weights.amax().tolist() for _, weights in bands)
    unit = _unit(largest) if to_bytes else None
    blocks = []
    for first, weights in bands:
        weights = (weights if unit is None else weights.div(unit).round().mul(unit)).to(image)
        part = image.narrow(axis, first, weights.shape[1])
        blocks.append(part @ weights.t() if axis == -1 else weights @ part)
    resized = torch.cat(blocks, axis) if len(blocks) > 1 else blocks[0]
    # a half goes up, as in torch's integer arithmetic
    return (resized + 0.5).floor().clamp(0, 255) if to_bytes else resized


def _unit(largest: float) -> float:
    """For bytes torch has 16-bit weights: the unit in which the largest one still fits."""
    bits = 0
    while bits < 22 and int(0.5 + largest * 2 ** (bits + 1)) < 2**15:
        bits += 1
    return 2.0**-bits


def _weights(n: int, m: int, begin: int, end: int, mode: str, antialias: bool | None) -> tuple[int, Tensor]:
    """The first old pixel that the new ones from ``begin`` to ``end`` look at, and a row of weights for each."""
    kernel, reach = (_triangle, 1) if mode == "bilinear" else (_cubic, 2)
    scale = n / m
    stretch = max(scale, 1.0) if antialias else 1.0
    centers = (torch.arange(begin, end, dtype=torch.float64)[:, None] + 0.5) * scale
    low = math.floor((begin + 0.5) * scale - reach * stretch)
    high = math.ceil((end - 0.5) * scale + reach * stretch)
    places = torch.arange(low, high, dtype=torch.float64)
    weights = kernel((places + 0.5 - centers) / stretch, -0.5 if antialias else -0.75)
    # the old pixels among these places: first … last
    first, last = max(low, 0), min(high, n) - 1
    inside = weights[:, first - low : last + 1 - low]
    if antialias:
        return first, inside / inside.sum(1, keepdim=True)  # beyond the border there is nothing
    # beyond the border there is the border's pixel again
    inside[:, 0] += weights[:, : first - low].sum(1)
    inside[:, -1] += weights[:, last + 1 - low :].sum(1)
    return first, inside


def _triangle(d: Tensor, _: float) -> Tensor:
    return (1 - d.abs()).clamp(min=0)


def _cubic(d: Tensor, a: float) -> Tensor:
    """Keys's kernel: 1 at 0, and 0 with slope ``a`` at 1 and 0 at 2."""
    d = d.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, far.masked_fill(d >= 2, 0))
