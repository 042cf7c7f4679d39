"""Resizing: what size, and which pixels; the rest is interpolation."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation.handmade.moving import crop
from conceptlab.core import declare, did_you_mean, message

ops = declare("nn", "handmade")

Interpolation: TypeAlias = InterpolationMode | str | int
_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
_NEAREST = ("nearest", "nearest-exact")
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
    if mode not in (*_NEAREST, "bilinear", "bicubic", "lanczos"):
        raise NotImplementedError(
            message(
                "resize",
                expected="nearest, nearest-exact, bilinear, bicubic or lanczos",
                received=mode,
                remedy="Choose one of these, or tier='builtin'.",
            )
        )
    if mode == "lanczos" and not antialias:
        raise ValueError(
            message(
                "resize: lanczos requires antialias=True",
                expected="antialias=True",
                received=f"{antialias}",
                remedy="Give it, or choose another interpolation.",
            )
        )
    *batch, C, _, _ = inpt.shape
    if inpt.numel() == 0:
        return inpt.reshape(*batch, C, height, width)
    # on a CPU bytes are mixed as whole numbers, elsewhere as floating point
    as_bytes = inpt.dtype == torch.uint8 and (mode in _NEAREST or inpt.device.type == "cpu")
    exact = as_bytes or inpt.dtype in (torch.float32, torch.float64)
    images = (inpt if exact else inpt.float()).reshape(-1, C, H, W)
    smooth = bool(antialias) and mode not in _NEAREST
    resized = ops.interpolate(images, (height, width), mode=mode, antialias=smooth).reshape(*batch, C, height, width)
    if exact:
        return resized
    if inpt.dtype == torch.uint8:
        resized = resized.clamp(0, 255)  # cubic curves overshoot
    return (resized if inpt.is_floating_point() else resized.round()).to(inpt.dtype)


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
