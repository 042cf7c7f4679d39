"""Interpolation by its definition: each new pixel looks at the old ones around its place, one axis after the other."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import declare, require_floating, require_real, wide

ops = declare("nn", "naive")

_AXES = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}


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

    y = wide(input)
    is_last = rank > 1 and input.movedim(1, -1).is_contiguous()
    pixelwise = (is_last and input.shape[1] > 3) or (rank == 2 and sum(new) <= 128)
    for axis, (n, m, number) in enumerate(zip(old, new, numbers, strict=True), start=2):
        step = n / m if size is not None or recompute_scale_factor else 1 / number
        pixels = y.unbind(axis)
        if mode not in ("nearest", "nearest-exact"):
            y = torch.stack([_mean(pixels, o, m, step, mode, align_corners) for o in range(m)], axis)
        else:
            if mode == "nearest" and pixelwise and m in (n, 2 * n):
                step = n / m  # whatever the factor was
            places = _below(m, step, mode == "nearest-exact", pixelwise, input.dtype)
            y = torch.stack([pixels[min(place, n - 1)] for place in places], axis)
    y = y.to(input.dtype)
    if is_last and not input.is_contiguous():
        return y.contiguous(memory_format=torch.channels_last if rank == 2 else torch.channels_last_3d)
    return y.contiguous()


def _below(m: int, step: float, centre: bool, pixelwise: bool, dtype: torch.dtype) -> list[int]:
    """The old pixels below the corners or the centres of the new ones; at ties the rounding decides, and is torch's."""
    dtype = torch.float64 if dtype == torch.float64 and not pixelwise else torch.float32
    new, rounded = torch.arange(m, dtype=dtype), torch.tensor(step, dtype=dtype)
    places = (new + 0.5) * rounded if centre else new * rounded
    if centre and not pixelwise:
        places = ((new.double() + 0.5) * rounded.double() - 0.5).to(dtype) + 0.5
    numbers: list[float] = places.float().tolist()
    return [math.floor(number) for number in numbers]


def _mean(pixels: Sequence[Tensor], o: int, m: int, step: float, mode: str, align_corners: bool | None) -> Tensor:
    """The mean of the old pixels around the place of new pixel ``o`` of ``m``."""
    n = len(pixels)
    if n == m and mode != "bicubic":
        return pixels[o]
    place = o * (n - 1) / max(m - 1, 1) if align_corners else (o + 0.5) * step - 0.5
    if mode == "bicubic":
        i = math.floor(place)
        return sum((_cubic(abs(j - place)) * pixels[min(max(j, 0), n - 1)] for j in range(i - 1, i + 3)), pixels[0] * 0)
    place = max(place, 0)
    i = min(math.floor(place), n - 1)
    share = min(place - i, 1)
    return (1 - share) * pixels[i] + share * pixels[min(i + 1, n - 1)]


def _cubic(d: float) -> float:
    """Keys's kernel: 1 at 0, and 0 at 1 and at 2."""
    A = -0.75
    if d <= 1:
        return (A + 2) * d**3 - (A + 3) * d**2 + 1
    return A * d**3 - 5 * A * d**2 + 8 * A * d - 4 * A


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
        raise ValueError("interpolate: Anti-alias option is restricted to bilinear and bicubic modes of images.")
    if antialias or rank not in (1, 2, 3) or not (without or _AXES.get(mode) == input.dim()):
        raise NotImplementedError(f"interpolate: mode {mode} of {input.dim()}D input, antialias={antialias}.")
    if mode != "area" and (input.dtype != torch.uint8 or not without):
        require_floating("interpolate", input)
        require_real("interpolate", input)
