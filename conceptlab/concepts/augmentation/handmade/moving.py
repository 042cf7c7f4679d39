r"""Flips, crops and margins: each new pixel is an old one, or the fill.

A margin that repeats the image asks, for a place $x$ outside $0 \dots n - 1$, which place inside it shows. By the
*edge*, $\min(\max(x, 0), n - 1)$. *Reflected*, the image has the period $2 (n - 1)$, of which the second half runs
backwards: with $r = x \bmod 2(n-1)$ the place is $\min(r, 2(n-1) - r)$. *Symmetric*, the edge pixel is shown twice and
the period is $2n$: $\min(r, 2n - 1 - r)$.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conceptlab.core import message

_MODES = ("constant", "edge", "reflect", "symmetric")


def horizontal_flip(inpt: Tensor) -> Tensor:
    return inpt.flip(-1)


def vertical_flip(inpt: Tensor) -> Tensor:
    return inpt.flip(-2)


def crop(inpt: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    H, W = inpt.shape[-2:]
    if top >= 0 and left >= 0 and top + height <= H and left + width <= W:
        return inpt[..., top : top + height, left : left + width]
    return _with_margin(inpt, [-left, left + width - W, -top, top + height - H], 0)


def center_crop(inpt: Tensor, output_size: list[int]) -> Tensor:
    height, width = [output_size] * 2 if isinstance(output_size, int) else [*output_size, *output_size][:2]
    H, W = inpt.shape[-2:]
    rows, columns = max(height - H, 0), max(width - W, 0)
    if rows or columns:
        inpt = _with_margin(inpt, [columns // 2, (columns + 1) // 2, rows // 2, (rows + 1) // 2], 0)
    top, left = round((H + rows - height) / 2), round((W + columns - width) / 2)
    return inpt[..., top : top + height, left : left + width]


def pad(
    inpt: Tensor,
    padding: list[int],
    fill: float | Sequence[float] | None = None,
    padding_mode: str = "constant",
) -> Tensor:
    margins = _left_right_top_bottom(padding)
    if padding_mode not in _MODES:
        raise ValueError(
            message(
                "pad: `padding_mode`",
                expected=f"one of {', '.join(_MODES)}",
                received=repr(padding_mode),
                remedy="'constant' fills, the others repeat the image.",
            )
        )
    if isinstance(fill, Sequence) and len(fill) > 1 and padding_mode != "constant":
        raise ValueError(
            message(
                f"Padding mode '{padding_mode}' is not supported if fill is not scalar",
                expected="one fill, which is not used",
                received=f"{len(fill)} of them",
                remedy="Leave fill out, or use padding_mode='constant'.",
            )
        )
    if padding_mode == "constant":
        return _with_margin(inpt, margins, 0 if fill is None else fill)
    left, right, top, bottom = margins
    columns = _places(padding_mode, left, right, inpt.shape[-1], inpt.device)
    rows = _places(padding_mode, top, bottom, inpt.shape[-2], inpt.device)
    return inpt.index_select(-2, rows).index_select(-1, columns)


def _with_margin(image: Tensor, margins: Sequence[int], fill: float | Sequence[float]) -> Tensor:
    left, right, top, bottom = margins
    H, W = image.shape[-2:]
    # a negative margin takes away, perhaps all there is
    inside = image[..., max(-top, 0) : max(H + bottom, 0), max(-left, 0) : max(W + right, 0)]
    output = image.new_empty(*image.shape[:-2], H + top + bottom, W + left + right)
    output[...] = torch.tensor(fill, device=image.device)[:, None, None] if isinstance(fill, Sequence) else fill
    top, left = max(top, 0), max(left, 0)
    output[..., top : top + inside.shape[-2], left : left + inside.shape[-1]] = inside
    return output


def _places(mode: str, before: int, after: int, n: int, device: torch.device) -> Tensor:
    """For each place from ``-before`` to ``n - 1 + after`` the place inside the image that it shows."""
    limit = {"reflect": n - 1, "symmetric": n}.get(mode)
    if limit is not None and max(before, after) > limit:
        raise (IndexError if mode == "symmetric" else RuntimeError)(
            message(
                f"pad in mode '{mode}'",
                expected=f"Padding size should be less than the corresponding input dimension: at most {limit}",
                received=f"padding ({before}, {after})",
                remedy="Pad several times, or in mode 'edge'.",
            )
        )
    places = torch.arange(-before, n + after, device=device)
    if mode == "edge":
        return places.clamp_(0, n - 1)
    period, last = (2 * (n - 1), 2 * (n - 1)) if mode == "reflect" else (2 * n, 2 * n - 1)
    places = places.remainder(max(period, 1))
    return torch.minimum(places, last - places)


def _left_right_top_bottom(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Unfold ``padding``: one number for all sides, two for x and y, or left, top, right, bottom."""
    if isinstance(padding, int):
        padding = [padding]
    if not isinstance(padding, list | tuple):
        raise TypeError(
            message(
                "pad: `padding` should be an integer or tuple or list of integers",
                expected="1, 2 or 4 numbers",
                received=repr(padding),
                remedy="Give [left, top, right, bottom].",
            )
        )
    if len(padding) not in (1, 2, 4):
        raise ValueError(
            message(
                "pad: Padding must be an int or a 1, 2, or 4 element tuple or list",
                expected="1, 2 or 4 numbers",
                received=f"{len(padding)}",
                remedy="Give [left, top, right, bottom].",
            )
        )
    left, top, right, bottom = list(padding) * (4 // len(padding))
    return left, right, top, bottom
