"""Interpolation by its definition: each new pixel looks at the old ones around its place, one axis after the other."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import declare, require_floating, require_real, wide

ops = declare("nn", "naive")

_AXES = {"linear": 3, "bilinear": 4, "bicubic": 4, "lanczos": 4, "trilinear": 5}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    rank, old = input.dim() - 2, input.shape[2:]
    _check(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    given: Any = scale_factor if size is None else size
    numbers = list(given) if isinstance(given, list | tuple) else [given] * rank
    new = numbers if size is not None else [int(n * factor) for n, factor in zip(old, numbers, strict=True)]
    if mode == "area":
        y = getattr(ops, f"adaptive_avg_pool{rank}d")(input, new)
        return y.contiguous() if input.is_contiguous() else y
    if min(*old, *new) < 1 or input.shape[1] == 0:
        raise RuntimeError(f"interpolate: sizes should be greater than 0, received {tuple(input.shape)} and {new}.")

    nearest, of_bytes = mode in ("nearest", "nearest-exact"), input.dtype == torch.uint8
    y = wide(input) if nearest or not of_bytes else input.double()
    is_last = rank > 1 and input.movedim(1, -1).is_contiguous()
    pixelwise = input.is_cuda or (is_last and input.shape[1] > 3) or (rank == 2 and sum(new) <= 128)
    # columns first: of bytes each axis makes bytes again
    for axis in range(rank + 1, 1, -1):
        n, m, number = old[axis - 2], new[axis - 2], numbers[axis - 2]
        step = n / m if size is not None or recompute_scale_factor else 1 / number
        if align_corners:
            step = (n - 1) / (m - 1) if m > 1 else 0
        pixels = y.unbind(axis)
        if nearest:
            on_cpu = mode == "nearest" and pixelwise and m in (n, 2 * n)
            if (m == n and rank == 2) if input.is_cuda else on_cpu:
                step = n / m  # torch copies each pixel once, or twice, whatever the factor was
            places = _below(m, step, mode == "nearest-exact", pixelwise, input.dtype)
            y = torch.stack([pixels[min(place, n - 1)] for place in places], axis)
        elif n != m or (mode == "bicubic" and not (antialias or of_bytes)):
            means = [_weights(o, n, step, mode, align_corners, antialias) for o in range(m)]
            means = _in_16_bits(means) if of_bytes else means
            sums: list[Any] = [sum(w * pixels[j] for j, w in mean) for mean in means]
            y = torch.stack(sums, axis)
            y = (y + 0.5).floor().clamp(0, 255) if of_bytes else y
    y = y.to(input.dtype)
    if is_last and not input.is_contiguous():
        return y.clone(memory_format=torch.channels_last if rank == 2 else torch.channels_last_3d)
    return y.clone(memory_format=torch.contiguous_format)


def _below(m: int, step: float, centre: bool, pixelwise: bool, dtype: torch.dtype) -> list[int]:
    """The old pixels below the corners or the centres of the new ones; at ties the rounding decides, and is torch's."""
    dtype = torch.float64 if dtype == torch.float64 and not pixelwise else torch.float32
    new, rounded = torch.arange(m, dtype=dtype), torch.tensor(step, dtype=dtype)
    places = (new + 0.5) * rounded if centre else new * rounded
    if centre and not pixelwise:
        places = ((new.double() + 0.5) * rounded.double() - 0.5).to(dtype) + 0.5
    numbers: list[float] = places.float().tolist()
    return [math.floor(number) for number in numbers]


def _weights(
    o: int, n: int, step: float, mode: str, align_corners: bool | None, antialias: bool
) -> list[tuple[int, float]]:
    """The old pixels that new pixel ``o`` is a mean of, each with its weight."""
    if antialias:
        centre, stretch = (o + 0.5) * step, max(step, 1)
        around = [(j, _kernel(abs(j + 0.5 - centre) / stretch, mode)) for j in range(n)]
        total = sum(w for _, w in around)
        return [(j, w / total) for j, w in around if w != 0]
    place = o * step if align_corners else (o + 0.5) * step - 0.5
    i = math.floor(place)
    if mode == "bicubic":
        return [(min(max(j, 0), n - 1), _cubic(abs(j - place), -0.75)) for j in range(i - 1, i + 3)]
    # beyond the border there is the border's pixel again
    return [(min(max(j, 0), n - 1), 1 - abs(j - place)) for j in (i, i + 1)]


def _kernel(d: float, mode: str) -> float:
    """The weight at a distance, of ``antialias``."""
    if mode == "bilinear":
        return max(1 - d, 0)
    if mode == "bicubic":
        return _cubic(d, -0.5)
    return _sinc(d) * _sinc(d / 3) if d < 3 else 0


def _cubic(d: float, a: float) -> float:
    """Keys's kernel: 1 at 0, and 0 at 1, with the slope ``a``, and from 2 on."""
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0


def _sinc(d: float) -> float:
    return math.sin(math.pi * d) / (math.pi * d) if d else 1


def _in_16_bits(means: list[list[tuple[int, float]]]) -> list[list[tuple[int, float]]]:
    """The weights of bytes: whole multiples of 1 / 2ᵖ, the largest of which has 16 bits; 22 is the largest p."""
    shares = [{j: sum(w for k, w in mean if k == j) for j, _ in mean} for mean in means]
    largest = max(w for share in shares for w in share.values())
    p = next((p for p in range(22) if largest * 2 ** (p + 1) >= 2**15 - 0.5), 22)
    return [[(j, math.copysign(math.floor(abs(w) * 2**p + 0.5), w) / 2**p) for j, w in s.items()] for s in shares]


def _check(
    input: Tensor,
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    antialias: bool,
) -> None:
    rank = input.dim() - 2
    without = mode in ("nearest", "nearest-exact", "area")
    if without and align_corners is not None:
        raise ValueError("interpolate: align_corners option can only be set with linear, bilinear and trilinear.")
    if (size is None) == (scale_factor is None) or (size is not None and recompute_scale_factor):
        raise ValueError("interpolate: either size or scale_factor should be defined.")
    given = scale_factor if size is None else size
    if isinstance(given, list | tuple) and len(given) != rank:
        raise ValueError(f"interpolate: {tuple(input.shape)} has {rank} spatial dimensions, received {given}.")
    if isinstance(size, float) or (isinstance(size, list | tuple) and any(isinstance(n, float) for n in size)):
        raise TypeError(f"interpolate: expected size to be one of int or Tuple[int], received {size}.")
    if antialias and (mode not in ("bilinear", "bicubic", "lanczos") or rank != 2):
        raise ValueError("interpolate: Anti-alias option is restricted to bilinear, bicubic and lanczos of images.")
    if mode == "lanczos" and rank == 2 and (align_corners or not antialias):
        raise ValueError("interpolate: Lanczos mode requires antialias=True, and does not support align_corners=True.")
    if rank not in (1, 2, 3) or not (without or _AXES.get(mode) == input.dim()):
        raise NotImplementedError(f"interpolate: mode {mode} of {input.dim()}D input, antialias={antialias}.")
    if mode != "area" and (input.dtype != torch.uint8 or mode in ("linear", "trilinear")):
        require_floating("interpolate", input)
        require_real("interpolate", input)
