"""Rotation and general affine maps: the old place of each new pixel lies between pixels."""

import math
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation.naive.resizing import mode_name


def rotate(
    inpt: Tensor, angle: float, interpolation=InterpolationMode.NEAREST, expand: bool = False, center=None, fill=None
) -> Tensor:
    H, W = inpt.shape[-2:]
    angle = angle % 360
    if center is None and (angle in (0, 180) or (angle in (90, 270) and (expand or H == W))):
        return torch.rot90(inpt, int(angle) // 90, (-2, -1)).clone()
    center = [0.0, 0.0] if center is None else [center[0] - W / 2, center[1] - H / 2]
    matrix = _inverse_map(-angle, [0, 0], 1.0, [0, 0], center)
    size = _size_of_turned(matrix, H, W) if expand else (H, W)
    return _moved(inpt, matrix, size, mode_name(interpolation), fill)


def affine(
    inpt: Tensor,
    angle: float,
    translate,
    scale: float,
    shear,
    interpolation=InterpolationMode.NEAREST,
    fill=None,
    center=None,
) -> Tensor:
    shears = [shear, 0.0] if isinstance(shear, int | float) else shear
    sequences = (translate, shears, [] if center is None else center)
    if not isinstance(angle, int | float) or not all(isinstance(x, list | tuple) for x in sequences):
        raise TypeError("affine: angle should be int or float; translate, shear and center should be sequences")
    if len(translate) != 2 or len(shears) not in (1, 2) or scale <= 0:
        raise ValueError("affine: translate should be a sequence of length 2, shear of 1 or 2; scale positive")
    H, W = inpt.shape[-2:]
    center = [0.0, 0.0] if center is None else [center[0] - W / 2, center[1] - H / 2]
    matrix = _inverse_map(angle, translate, scale, [*shears, *shears][:2], center)
    return _moved(inpt, matrix, (H, W), mode_name(interpolation), fill)


def _inverse_map(angle: float, translate, scale: float, shear, center) -> Tensor:
    alpha, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a, c = math.cos(alpha - sy) / math.cos(sy), math.sin(alpha - sy) / math.cos(sy)
    b, d = -a * math.tan(sx) - math.sin(alpha), -c * math.tan(sx) + math.cos(alpha)
    p, q, r, s = d / scale, -b / scale, -c / scale, a / scale
    x, y = center[0] + translate[0], center[1] + translate[1]
    return torch.tensor([[p, q, center[0] - p * x - q * y], [r, s, center[1] - r * x - s * y]], dtype=torch.float64)


def _size_of_turned(matrix: Tensor, H: int, W: int) -> tuple[int, int]:
    corners = torch.tensor([[x * W / 2, y * H / 2, 1] for x in (-1, 1) for y in (-1, 1)], dtype=torch.float32)
    places = corners @ matrix.float().t() + torch.tensor([W / 2, H / 2])
    low, high = ((x * 1e4).trunc() * 1e-4 for x in (places.amin(0), places.amax(0)))
    width, height = (high.ceil() - low.floor()).int().tolist()
    return height, width


def _moved(image: Tensor, matrix: Tensor, size: tuple[int, int], mode: str, fill) -> Tensor:
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")
    fills = None if fill is None else list(fill) if isinstance(fill, list | tuple) else [fill]
    if fills is not None and len(fills) not in (1, image.shape[-3]):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image"
        )
    (H, W), (height, width) = image.shape[-2:], size
    pixels = image if image.is_floating_point() else image.float()
    x = torch.linspace((1 - width) * 0.5, (width - 1) * 0.5, width).to(pixels.dtype).expand(height, width)
    y = torch.linspace((1 - height) * 0.5, (height - 1) * 0.5, height).to(pixels.dtype)[:, None].expand(height, width)
    new_places = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3)
    to_halves = matrix.to(pixels.dtype).t() / torch.tensor([0.5 * W, 0.5 * H], dtype=pixels.dtype)
    old_x, old_y = (new_places @ to_halves[None]).reshape(height, width, 2).unbind(-1)
    old_x, old_y = ((old_x + 1) * W - 1) / 2, ((old_y + 1) * H - 1) / 2
    if mode == "nearest":
        terms = [(old_x.round(), old_y.round(), torch.ones_like(x))]
    else:
        corners = [(old_x.floor() + dx, old_y.floor() + dy) for dx in (0, 1) for dy in (0, 1)]
        terms = [(cx, cy, (1 - (old_x - cx).abs()) * (1 - (old_y - cy).abs())) for cx, cy in corners]
    output: Any = 0
    coverage: Any = 0
    for cx, cy, weight in terms:
        weight = weight * ((cx >= 0) & (cx < W) & (cy >= 0) & (cy < H))
        value = pixels[..., cy.clamp(0, H - 1).long(), cx.clamp(0, W - 1).long()]
        output, coverage = output + weight * value, coverage + weight
    if fills is not None:
        color = torch.tensor(fills, dtype=pixels.dtype).reshape(-1, 1, 1)
        # what is mixed has been weighted by its coverage already, and torchvision weights it once more
        output = (output - color) * coverage + color
    return output if image.is_floating_point() else output.round().to(image.dtype)
