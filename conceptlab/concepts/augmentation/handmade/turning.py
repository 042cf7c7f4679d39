r"""Rotation and general affine maps.

The picture is moved by $M = T\, C\, R\, S\, C^{-1}$: to the centre $C$, scaled by $s$, sheared, turned by $\alpha$,
back, and shifted by $T$. A new pixel $q$ shows the old place $M^{-1} q$. With the shears $\sigma_x, \sigma_y$ the
middle part is

$$ R S = s \begin{pmatrix} a & b \\ c & d \end{pmatrix}, \qquad
   a = \frac{\cos(\alpha - \sigma_y)}{\cos \sigma_y},\quad b = -a \tan \sigma_x - \sin \alpha,\quad
   c = \frac{\sin(\alpha - \sigma_y)}{\cos \sigma_y},\quad d = -c \tan \sigma_x + \cos \alpha, $$

and rotations and shears keep areas, $ad - bc = 1$, so that its inverse is
$\frac1s \begin{pmatrix} d & -b \\ -c & a \end{pmatrix}$. Shifts undone:
$M^{-1} q = C + (RS)^{-1} (q - C - T)$, coordinates being counted from the middle of the image.

The old place lies between pixels: take the nearest, or mix the four around by the areas of the opposite rectangles.
Which pixel is nearest can hang on the last bit, so places are computed in the steps, and the precision, of torch.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation.handmade.resizing import Interpolation, interpolation_name
from conceptlab.core import message

Fill = float | Sequence[float] | None


def rotate(
    inpt: Tensor,
    angle: float,
    interpolation: Interpolation = InterpolationMode.NEAREST,
    expand: bool = False,
    center: list[float] | None = None,
    fill: Fill = None,
) -> Tensor:
    angle = angle % 360
    H, W = inpt.shape[-2:]
    if center is None and (angle in (0, 180) or (angle in (90, 270) and (expand or H == W))):
        return inpt.rot90(int(angle) // 90, (-2, -1)) if angle else inpt.clone()
    mode = _checked_mode(inpt, interpolation, fill)
    # anticlockwise, where affine turns clockwise
    matrix = _inverse(_from_middle(center, H, W), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    height, width = _expanded(matrix, H, W) if expand else (H, W)
    return _sample(inpt, *_places(inpt, matrix, height, width), mode, fill)


def affine(
    inpt: Tensor,
    angle: float,
    translate: list[float],
    scale: float,
    shear: list[float],
    interpolation: Interpolation = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: list[float] | None = None,
) -> Tensor:
    shears = _checked_numbers(angle, translate, scale, shear, center)
    mode = _checked_mode(inpt, interpolation, fill)
    H, W = inpt.shape[-2:]
    matrix = _inverse(_from_middle(center, H, W), angle, translate, scale, shears)
    return _sample(inpt, *_places(inpt, matrix, H, W), mode, fill)


def _from_middle(center: Sequence[float] | None, H: int, W: int) -> tuple[float, float]:
    return (0.0, 0.0) if center is None else (center[0] - W * 0.5, center[1] - H * 0.5)


def _inverse(
    center: tuple[float, float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[list[float]]:
    alpha, sigma_x, sigma_y = (math.radians(x) for x in (angle, *shear))
    a = math.cos(alpha - sigma_y) / math.cos(sigma_y)
    b = -(a * math.tan(sigma_x) + math.sin(alpha))
    c = math.sin(alpha - sigma_y) / math.cos(sigma_y)
    d = math.cos(alpha) - c * math.tan(sigma_x)
    rows = [[d / scale, -b / scale], [-c / scale, a / scale]]
    x, y = center[0] + translate[0], center[1] + translate[1]
    return [[p, q, back - p * x - q * y] for (p, q), back in zip(rows, center, strict=True)]


def _expanded(matrix: list[list[float]], H: int, W: int) -> tuple[int, int]:
    """The size that holds all of the turned image: the reach of its corners, in whole pixels."""
    x, y = W * 0.5, H * 0.5
    corners = torch.tensor([[-x, -y, 1], [-x, y, 1], [x, y, 1], [x, -y, 1]], dtype=torch.float32)
    corners = corners @ torch.tensor(matrix, dtype=torch.float32).t()
    half = corners.new_tensor([x, y])
    # a ten-thousandth of a pixel more is rounding
    low, high = ((end + half).mul(1e4).trunc().mul(1e-4) for end in (corners.amin(0), corners.amax(0)))
    width, height = (high.ceil() - low.floor()).int().tolist()
    return height, width


def _places(image: Tensor, matrix: list[list[float]], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where each new pixel comes from: columns and rows of the old image, (height, width) each."""
    H, W = image.shape[-2:]
    dtype = image.dtype if image.is_floating_point() else torch.float32
    options: dict[str, Any] = {"dtype": dtype, "device": image.device}
    grid = torch.ones(height, width, 3, **options)
    # counted from the middle, in pixels; linspace in the default precision, as torch has it
    grid[..., 0] = torch.linspace((1 - width) * 0.5, (width - 1) * 0.5, width, device=image.device)
    grid[..., 1] = torch.linspace((1 - height) * 0.5, (height - 1) * 0.5, height, device=image.device)[:, None]
    # the old places in halves of the image, from -1 to 1, and then in pixels, whose centres are at whole numbers
    to_halves = torch.tensor(matrix, **options).t() / torch.tensor([0.5 * W, 0.5 * H], **options)
    x, y = (grid.view(1, -1, 3) @ to_halves[None]).view(height, width, 2).unbind(-1)
    return ((x + 1) * W - 1) / 2, ((y + 1) * H - 1) / 2


def _sample(image: Tensor, x: Tensor, y: Tensor, mode: str, fill: Fill) -> Tensor:
    """The image at the places (x, y), with ``fill`` outside."""
    shape = (*image.shape[:-2], *x.shape)
    H, W = image.shape[-2:]
    # A border of zeros, two wide, answers for all places outside; a last picture, of ones, tells how far one is inside.
    bordered = x.new_zeros(image.shape[:-2].numel() + 1, H + 4, W + 4)
    bordered[:-1, 2:-2, 2:-2] = image.reshape(-1, H, W)
    bordered[-1, 2:-2, 2:-2] = 1
    flat, width = bordered.flatten(1), W + 4
    column, row = (x.round(), y.round()) if mode == "nearest" else (x.floor(), y.floor())
    index = (row.clamp(-2, H).long().add_(2).mul_(width) + column.clamp(-2, W).long().add_(2)).flatten()
    if mode == "nearest":
        mixed = flat.index_select(1, index)
    else:
        right, below = (x - column).flatten(), (y - row).flatten()
        mixed = flat.index_select(1, index) * ((1 - right) * (1 - below))
        mixed = mixed.addcmul_(flat.index_select(1, index + 1), right * (1 - below))
        mixed = mixed.addcmul_(flat.index_select(1, index + width), (1 - right) * below)
        mixed = mixed.addcmul_(flat.index_select(1, index + (width + 1)), right * below)
    output, coverage = mixed[:-1].reshape(shape), mixed[-1].reshape(x.shape)
    if fill is not None:
        colors = torch.tensor(fill, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
        if mode == "nearest":
            output = torch.where(coverage == 0, colors, output)
        else:
            # the sum has been weighted by its coverage already; torchvision weights it once more
            output = (output - colors) * coverage + colors
    return output if image.is_floating_point() else output.round().to(image.dtype)


def _checked_mode(image: Tensor, interpolation: Interpolation, fill: Fill) -> str:
    mode = interpolation_name(interpolation)
    if mode not in ("nearest", "bilinear"):
        raise ValueError(
            message(
                f"Interpolation mode '{mode}' is unsupported with Tensor input",
                expected="'nearest' or 'bilinear'",
                received=repr(mode),
                remedy="'bilinear' is the smooth one.",
            )
        )
    if isinstance(fill, Sequence) and len(fill) not in (1, image.shape[-3]):
        raise ValueError(
            message(
                "The number of elements in 'fill' cannot broadcast to match the number of channels of the image",
                expected=f"1 or {image.shape[-3]}",
                received=f"{len(fill)}",
                remedy="Give one value for each channel.",
            )
        )
    return mode


def _checked_numbers(
    angle: float, translate: Sequence[float], scale: float, shear: Sequence[float] | float, center: object
) -> Sequence[float]:
    """Refuse what is no affine map; returns the shears by x and by y."""
    sequence = (list, tuple)
    shears = [shear, 0.0] if isinstance(shear, int | float) else shear
    checks = (
        (isinstance(angle, int | float), TypeError, "Argument angle should be int or float", angle),
        (isinstance(translate, sequence), TypeError, "Argument translate should be a sequence", translate),
        (scale > 0, ValueError, "Argument scale should be positive", scale),
        (isinstance(shears, sequence), TypeError, "Shear should be either a single value or a sequence", shear),
        (center is None or isinstance(center, sequence), TypeError, "Argument center should be a sequence", center),
    )
    lengths = ((translate, (2,), "Argument translate should be a sequence of length 2"), (shears, (1, 2), "Shear"))
    for right, error, expected, received in checks:
        if not right:
            raise error(_wrong(expected, received))
    for received, right_lengths, expected in lengths:
        if len(received) not in right_lengths:
            raise ValueError(_wrong(expected, received))
    return [*shears, *shears][:2]


def _wrong(expected: str, received: object) -> str:
    remedy = "For instance angle=10, translate=[0, 0], scale=1.0, shear=[0.0, 0.0]."
    return message("affine", expected=expected, received=repr(received), remedy=remedy)
