"""Changes of colour, each by its formula."""

from collections.abc import Sequence

import torch
from torch import Tensor


def normalize(inpt: Tensor, mean, std, inplace: bool = False) -> Tensor:
    if not inpt.is_floating_point():
        raise TypeError(f"normalize: Input tensor should be a float tensor, received {inpt.dtype}")
    if inpt.dim() < 3:
        raise ValueError(
            f"normalize: Expected tensor to be a tensor image of size (..., C, H, W), received {inpt.shape}"
        )
    if not (all(std) if isinstance(std, Sequence) else std):
        raise ValueError("normalize: std evaluated to zero, leading to division by zero")
    mean, std = (torch.tensor(x, dtype=inpt.dtype).reshape(-1, 1, 1) for x in (mean, std))
    output = (inpt - mean) / std
    return inpt.copy_(output) if inplace else output


def adjust_brightness(inpt: Tensor, brightness_factor: float) -> Tensor:
    _check("brightness_factor", inpt, brightness_factor)
    return _blend(inpt, torch.zeros(()), brightness_factor)


def adjust_contrast(inpt: Tensor, contrast_factor: float) -> Tensor:
    _check("contrast_factor", inpt, contrast_factor)
    return _blend(inpt, _grey(inpt).mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(inpt: Tensor, saturation_factor: float) -> Tensor:
    _check("saturation_factor", inpt, saturation_factor)
    return inpt if inpt.shape[-3] == 1 else _blend(inpt, _grey(inpt), saturation_factor)


def adjust_hue(inpt: Tensor, hue_factor: float) -> Tensor:
    _check("hue_factor", inpt, hue_factor, low=-0.5, high=0.5)
    if inpt.shape[-3] == 1 or inpt.numel() == 0:
        return inpt
    brightest = 1 if inpt.is_floating_point() else torch.iinfo(inpt.dtype).max
    image = inpt.float() / brightest
    r, g, b = image.unbind(-3)
    v, low = image.amax(-3), image.amin(-3)
    delta = torch.where(v == low, 1, v - low)  # grey has no hue, and nothing to divide by
    s = (v - low) / torch.where(v == low, 1, v)
    sixths = torch.where(v == r, (g - b) / delta, torch.where(v == g, 2 + (b - r) / delta, 4 + (r - g) / delta))
    sixths = (sixths + 6 * hue_factor).remainder(6)
    # each channel is v, less what the distance from its own hue takes away
    distances = [(n + sixths).remainder(6) for n in (5, 3, 1)]
    shares = [torch.minimum(k, 4 - k).clamp(0, 1) for k in distances]
    # what is less is limited to the range of an image, as torch has it, and v itself is not
    image = torch.stack([torch.where(share == 0, v, (v - v * s * share).clamp(0, 1)) for share in shares], -3)
    return image.to(inpt.dtype) if inpt.is_floating_point() else (image * (brightest + 0.999)).to(inpt.dtype)


def _grey(image: Tensor) -> Tensor:
    if image.shape[-3] == 1:
        return image if image.is_floating_point() else image.float()
    r, g, b = image.unbind(-3)
    grey = (0.2989 * r + 0.587 * g + 0.114 * b).unsqueeze(-3)
    return grey if image.is_floating_point() else grey.floor()


def _blend(image: Tensor, other: Tensor, factor: float) -> Tensor:
    brightest = 1 if image.is_floating_point() else torch.iinfo(image.dtype).max
    return (factor * image + (1 - factor) * other).clamp(0, brightest).to(image.dtype)


def _check(name: str, image: Tensor, factor: float, low: float = 0.0, high: float = float("inf")) -> None:
    if not low <= factor <= high:
        raise ValueError(f"{name} ({factor}) is not between {low} and {high}")
    if image.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, received {image.shape[-3]}")
