r"""Changes of colour.

Brightness, contrast and saturation are one blend, $f p + (1 - f) q$, with black, with the mean grey and with the grey
image for $q$; limited to what the dtype can show.

**Hue.** With $v = \max(r, g, b)$ and the range $\delta = v - \min(r, g, b)$, the saturation is $s = \delta / v$, and
the hue is a place on a circle of six equal parts. Where red is the largest, it lies between green and blue as
$\frac{v - b}{\delta} - \frac{v - g}{\delta}$, and two or four parts further where green or blue is. Back again: $h$
tells the part $i$ and the place $f$ within it; one channel is $v$, one is $v (1 - s)$, and the third runs up,
$v (1 - s + s f)$, or down, $v (1 - s f)$. torch does this in float32, whatever the image has, and so do we.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conceptlab.core import message

# which of v, down, low, up is red, green and blue in each part of the circle
_PARTS = [[0, 1, 2, 2, 3, 0], [3, 0, 0, 1, 2, 2], [2, 2, 3, 0, 0, 1]]


def normalize(inpt: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    if not inpt.is_floating_point():
        raise TypeError(
            message(
                "normalize: Input tensor should be a float tensor",
                expected="floating-point pixels",
                received=str(inpt.dtype),
                remedy="Convert it, for instance with v2.ToDtype(torch.float32, scale=True).",
            )
        )
    if inpt.dim() < 3:
        raise ValueError(
            message(
                "normalize: Expected tensor to be a tensor image of size (..., C, H, W)",
                expected="at least three axes",
                received=f"shape {tuple(inpt.shape)}",
                remedy="Add the channels' axis.",
            )
        )
    if not (all(std) if isinstance(std, Sequence) else std):
        raise ValueError(
            message(
                "normalize: std evaluated to zero, leading to division by zero",
                expected="a positive std for each channel",
                received=str(std),
                remedy="A channel that is constant needs none: give 1.",
            )
        )
    m, s = (torch.as_tensor(x, dtype=inpt.dtype, device=inpt.device) for x in (mean, std))
    m, s = (x.reshape(-1, 1, 1) if x.dim() == 1 else x for x in (m, s))
    return (inpt.sub_(m) if inplace else inpt - m).div_(s)


def adjust_brightness(inpt: Tensor, brightness_factor: float) -> Tensor:
    _check("brightness_factor", inpt, brightness_factor)
    return _limited(inpt * brightness_factor, inpt.dtype)


def adjust_contrast(inpt: Tensor, contrast_factor: float) -> Tensor:
    _check("contrast_factor", inpt, contrast_factor)
    return _blend(inpt, _grey(inpt).mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(inpt: Tensor, saturation_factor: float) -> Tensor:
    _check("saturation_factor", inpt, saturation_factor)
    return inpt if inpt.shape[-3] == 1 else _blend(inpt, _grey(inpt), saturation_factor)


def adjust_hue(inpt: Tensor, hue_factor: float) -> Tensor:
    _check("hue_factor", inpt, hue_factor, low=-0.5, high=0.5)
    if inpt.shape[-3] == 1:
        return inpt
    if inpt.dtype in (torch.int32, torch.int64):
        raise RuntimeError(
            message(
                f"adjust_hue: The conversion from torch.float32 to {inpt.dtype} cannot be performed safely",
                expected="uint8, or floating point",
                received=str(inpt.dtype),
                remedy="Convert the image first.",
            )
        )
    image = inpt.float() if inpt.is_floating_point() else inpt.float().mul_(1 / _brightest(inpt.dtype))
    h, s, v = _hue_saturation_value(image)
    image = _red_green_blue(h + hue_factor, s, v)
    # each level gets an equal share of the range 0 … 1
    return (
        image.to(inpt.dtype) if inpt.is_floating_point() else (image * (_brightest(inpt.dtype) + 0.999)).to(inpt.dtype)
    )


def _hue_saturation_value(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    v, low = image.amax(-3), image.amin(-3)
    red_is_largest, green_is_largest, _ = (image == v.unsqueeze(-3)).unbind(-3)
    grey = v == low
    delta = torch.where(grey, 1, v - low)
    s = (v - low) / torch.where(grey, 1, v)
    r, g, b = ((v.unsqueeze(-3) - image) / delta.unsqueeze(-3)).unbind(-3)
    h = torch.where(red_is_largest, b - g, torch.where(green_is_largest, 2 + r - b, 4 + g - r))
    return h * (1 / 6), s, v


def _red_green_blue(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """The way back; any number of full turns in ``h`` is the same."""
    part = (h * 6).floor()
    f = h * 6 - part
    low, down, up = (1 - s) * v, (1 - s * f) * v, (s * f + (1 - s)) * v
    shades = torch.stack([v, *(x.clamp(0, 1) for x in (down, low, up))], -3)
    which = torch.tensor(_PARTS, device=h.device)[:, part.long().remainder(6)]
    return shades.gather(-3, which.movedim(0, -3))


def _grey(image: Tensor) -> Tensor:
    if image.shape[-3] == 1:
        return image if image.is_floating_point() else image.float()
    r, g, b = image.unbind(-3)
    grey = (r * 0.2989).add_(g, alpha=0.587).add_(b, alpha=0.114).unsqueeze(-3)
    return grey if image.is_floating_point() else grey.floor()


def _blend(image: Tensor, other: Tensor, factor: float) -> Tensor:
    return _limited((image * float(factor)).add_(other, alpha=1 - factor), image.dtype)


def _limited(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    return pixels.clamp_(0, _brightest(dtype)).to(dtype)


def _brightest(dtype: torch.dtype) -> int:
    return 1 if dtype.is_floating_point else torch.iinfo(dtype).max


def _check(name: str, image: Tensor, factor: float, low: float = 0.0, high: float = float("inf")) -> None:
    if not low <= factor <= high:
        raise ValueError(
            message(
                f"{name} ({factor}) is " + (f"not in [{low}, {high}]" if high < 1 else "not non-negative"),
                expected=f"a number from {low} to {high}",
                received=str(factor),
                remedy="A factor of 1, or a hue of 0, changes nothing.",
            )
        )
    if image.shape[-3] not in (1, 3):
        raise TypeError(
            message(
                f"{name}: Input image tensor permitted channel values are 1 or 3",
                expected="a grey or an RGB image",
                received=f"{image.shape[-3]} channels",
                remedy="Select three of them.",
            )
        )
