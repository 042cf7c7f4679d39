"""Resizing: each new pixel is a weighted mean of the old ones around its place."""

import math
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation.naive.moving import crop, pixel_from


def resize(inpt: Tensor, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True) -> Tensor:
    mode = mode_name(interpolation)
    height, width = _new_size(inpt.shape[-2], inpt.shape[-1], size, max_size)
    if (height, width) == inpt.shape[-2:]:
        return inpt
    if mode in ("nearest", "nearest-exact"):
        return pixel_from(inpt, *(_nearest(n, m, mode) for n, m in zip(inpt.shape[-2:], (height, width), strict=True)))
    if mode not in ("bilinear", "bicubic"):
        raise NotImplementedError(f"resize: mode {mode}; expected nearest, nearest-exact, bilinear or bicubic")
    image = inpt if inpt.dtype in (torch.float32, torch.float64) else inpt.float()
    for axis, m in ((-1, width), (-2, height)):
        if m == image.shape[axis]:
            continue
        pixels = image.unbind(axis)
        sums: list[Any] = [
            sum(w * pixels[j] for j, w in _weights(i, len(pixels), m, mode, antialias)) for i in range(m)
        ]
        image = torch.stack(sums, axis)
        if inpt.dtype == torch.uint8:
            image = (image + 0.5).floor().clamp(0, 255)
    return (image if inpt.is_floating_point() else image.round()).to(inpt.dtype)


def resized_crop(
    inpt: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size,
    interpolation=InterpolationMode.BILINEAR,
    antialias=True,
) -> Tensor:
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def mode_name(interpolation) -> str:
    names = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
    name = names.get(interpolation) if isinstance(interpolation, int) else interpolation
    name = name.value if isinstance(name, InterpolationMode) else name
    if name not in (*names.values(), "nearest-exact"):
        raise ValueError(
            f"interpolation: expected one of {[*names.values(), 'nearest-exact']}, received {interpolation}"
        )
    return name


def _new_size(H: int, W: int, size, max_size):
    short, long = min(H, W), max(H, W)
    size = [size] if isinstance(size, int) else size
    if size is not None and len(size) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size should only be passed if size is the length of the smaller edge")
        return tuple(size)
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError("resize: max_size must be an integer when size is None")
        short, long = int(max_size * short / long), max_size
    else:
        short, long = size[0], int(size[0] * long / short)
        if max_size is not None and max_size <= short:
            raise ValueError("resize: max_size must be strictly greater than the requested size")
        if max_size is not None and long > max_size:
            short, long = int(max_size * short / long), max_size
    return (short, long) if H <= W else (long, short)


def _nearest(n: int, m: int, mode: str) -> list[int]:
    half = 0.5 if mode == "nearest-exact" else 0.0
    scale = torch.tensor(n, dtype=torch.float32) / m  # torch's rounding decides at ties
    places: list[Any] = [(torch.tensor(i + half, dtype=torch.float32) * scale).tolist() for i in range(m)]
    return [min(int(place), n - 1) for place in places]


def _weights(i: int, n: int, m: int, mode: str, antialias) -> list[tuple[int, float]]:
    """The old pixels that new pixel i of m is a weighted mean of."""
    center, stretch = (i + 0.5) * n / m, max(n / m, 1) if antialias else 1
    reach = (1 if mode == "bilinear" else 2) * stretch
    places = range(math.floor(center - reach), math.ceil(center + reach) + 1)
    a = -0.5 if antialias else -0.75
    weights = [(j, _kernel(abs(j + 0.5 - center) / stretch, mode, a)) for j in places]
    if not antialias:
        return [(min(max(j, 0), n - 1), w) for j, w in weights]
    inside = [(j, w) for j, w in weights if 0 <= j < n]
    return [(j, w / sum(w for _, w in inside)) for j, w in inside]


def _kernel(d: float, mode: str, a: float) -> float:
    if mode == "bilinear":
        return max(1 - d, 0)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0
