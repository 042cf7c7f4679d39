r"""Gaussian blur.

The weights $w_i \propto e^{-i^2 / 2\sigma^2}$ of a row and of a column multiply to those of the plane, so that the
double sum is two single ones,

$$ \sum_{ij} w_i w_j\, p_{y+i, x+j} = \sum_i w_i \Big( \sum_j w_j\, p_{y+i, x+j} \Big), $$

$2k$ instead of $k^2$ terms for each pixel. Each term is the whole image, shifted: a slice of the padded one.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from conceptlab.concepts.augmentation.handmade.moving import pad
from conceptlab.core import message


def gaussian_blur(inpt: Tensor, kernel_size: list[int], sigma: list[float] | None = None) -> Tensor:
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2 or any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(_wrong("kernel_size should have two odd and positive integers", kernel_size))
    sigmas = _sigmas(sizes, sigma)
    image = inpt if inpt.dtype in (torch.float32, torch.float64) else inpt.float()
    for axis, size, width in ((-1, sizes[0], sigmas[0]), (-2, sizes[1], sigmas[1])):
        image = _blur_axis(image, axis, size, width)
    return (image if inpt.is_floating_point() else image.round()).to(inpt.dtype)


def _blur_axis(image: Tensor, axis: int, size: int, sigma: float) -> Tensor:
    half, n = size // 2, image.shape[axis]
    weights = [math.exp(-((i / sigma) ** 2) / 2) for i in range(-half, half + 1)]
    padded = pad(image, [half, 0] if axis == -1 else [0, half], padding_mode="reflect")
    output = padded.narrow(axis, 0, n) * (weights[0] / sum(weights))
    for i, weight in enumerate(weights[1:], start=1):
        output = output.add_(padded.narrow(axis, i, n), alpha=weight / sum(weights))
    return output


def _sigmas(sizes: Sequence[int], sigma: Sequence[float] | float | None) -> list[float]:
    if sigma is None:
        return [size * 0.15 + 0.35 for size in sizes]
    if not isinstance(sigma, int | float | list | tuple):
        raise TypeError(_wrong("sigma should be either float or sequence of floats", sigma))
    sigmas = [sigma] if isinstance(sigma, int | float) else list(sigma)
    if len(sigmas) not in (1, 2):
        raise ValueError(_wrong("If sigma is a sequence, its length should be 2", sigma))
    if any(s <= 0 for s in sigmas):
        raise ValueError(_wrong("sigma should have positive values", sigma))
    return [sigmas[0], sigmas[-1]]


def _wrong(expected: str, received: object) -> str:
    return message("gaussian_blur", expected=expected, received=repr(received), remedy="For x and y, in this order.")
