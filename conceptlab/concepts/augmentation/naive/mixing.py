"""Blur, rectangles overwritten, and images of a batch mixed."""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.augmentation.naive.moving import pad


def gaussian_blur(inpt: Tensor, kernel_size, sigma=None) -> Tensor:
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2 or any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"gaussian_blur: kernel_size should have two odd and positive integers, received {sizes}")
    if isinstance(sigma, str):
        raise TypeError(f"gaussian_blur: sigma should be either float or sequence of floats, received {sigma!r}")
    sigmas = [0.15 * size + 0.35 for size in sizes] if sigma is None else sigma
    sigmas = [sigmas] if isinstance(sigmas, int | float) else list(sigmas)
    if len(sigmas) > 2 or min(sigmas) <= 0:
        raise ValueError(f"gaussian_blur: sigma should have one or two positive values, received {sigma}")
    (k_x, k_y), (s_x, s_y) = sizes, [*sigmas, *sigmas][:2]
    image = inpt if inpt.dtype is torch.float64 else inpt.float()
    padded = pad(image, [k_x // 2, k_y // 2], padding_mode="reflect")
    H, W = inpt.shape[-2:]
    total: Any = 0
    weights: Any = 0
    for i in range(k_y):
        for j in range(k_x):
            w = math.exp(-((i - k_y // 2) ** 2) / (2 * s_y**2) - (j - k_x // 2) ** 2 / (2 * s_x**2))
            total = total + w * padded[..., i : i + H, j : j + W]
            weights = weights + w
    mean = total / weights
    return (mean if inpt.is_floating_point() else mean.round()).to(inpt.dtype)


def erase(inpt: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    output = inpt if inplace else inpt.clone()
    output[..., i : i + h, j : j + w] = v
    return output


def mixup(batch: Tensor, lam: float) -> Tensor:
    mixed = [lam * batch[n] + (1 - lam) * batch[n - 1] for n in range(len(batch))]
    return batch.clone().copy_(torch.stack(mixed)) if batch.is_floating_point() else batch.mul_(lam)


def cutmix(batch: Tensor, box) -> Tensor:
    x1, y1, x2, y2 = box
    output = batch.clone()
    for n in range(len(batch)):
        output[n, ..., y1:y2, x1:x2] = batch[n - 1, ..., y1:y2, x1:x2]
    return output


def mixup_labels(labels: Tensor, lam: float, num_classes: int | None = None) -> Tensor:
    if labels.dim() == 1:
        classes: Any = num_classes
        labels = torch.stack([(torch.arange(classes) == label).float() for label in labels])
    return mixup(labels if labels.is_floating_point() else labels.float(), lam)
