"""Resizing: what size, and which pixels; the rest is interpolation."""

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation.naive.moving import crop
from conceptlab.core import declare

ops = declare("nn", "naive")


def resize(inpt: Tensor, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True) -> Tensor:
    mode = mode_name(interpolation)
    height, width = _new_size(inpt.shape[-2], inpt.shape[-1], size, max_size)
    if (height, width) == inpt.shape[-2:]:
        return inpt
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic", "lanczos"):
        raise NotImplementedError(f"resize: mode {mode}; expected nearest(-exact), bilinear, bicubic or lanczos")
    if mode == "lanczos" and not antialias:
        raise ValueError("resize: lanczos requires antialias=True")
    *batch, C, H, W = inpt.shape
    if inpt.numel() == 0:
        return inpt.reshape(*batch, C, height, width)
    # on a CPU bytes are mixed as whole numbers, elsewhere as floating point
    as_bytes = inpt.dtype == torch.uint8 and (mode.startswith("nearest") or inpt.device.type == "cpu")
    exact = as_bytes or inpt.dtype in (torch.float32, torch.float64)
    images = (inpt if exact else inpt.float()).reshape(-1, C, H, W)
    smooth = bool(antialias) and not mode.startswith("nearest")
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
