"""Flips, crops and margins: where does each new pixel come from?"""

import torch
from torch import Tensor


def horizontal_flip(inpt: Tensor) -> Tensor:
    H, W = inpt.shape[-2:]
    return pixel_from(inpt, range(H), [W - 1 - x for x in range(W)])


def vertical_flip(inpt: Tensor) -> Tensor:
    H, W = inpt.shape[-2:]
    return pixel_from(inpt, [H - 1 - y for y in range(H)], range(W))


def pad(inpt: Tensor, padding, fill=None, padding_mode: str = "constant") -> Tensor:
    if not isinstance(padding, int | list | tuple):
        raise TypeError(f"pad: `padding` should be an integer or tuple or list of integers, received {padding!r}")
    numbers = [padding] if isinstance(padding, int) else list(padding)
    if len(numbers) not in (1, 2, 4):
        raise ValueError(f"pad: Padding must be an int or a 1, 2, or 4 element tuple or list, received {padding}")
    left, top, right, bottom = numbers * (4 // len(numbers))
    places = {"constant": _as_it_is, "edge": _edge, "reflect": _reflect, "symmetric": _symmetric}
    if padding_mode not in places:
        raise ValueError(f"pad: `padding_mode` should be one of {list(places)}, received {padding_mode!r}")
    fills = fill if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    if len(fills) > 1 and padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    H, W = inpt.shape[-2:]
    if top + H + bottom < 0 or left + W + right < 0:
        raise RuntimeError(f"pad: padding {padding} takes more than there is of {H} rows and {W} columns")
    rows = [places[padding_mode](y, H, top, bottom) for y in range(-top, H + bottom)]
    columns = [places[padding_mode](x, W, left, right) for x in range(-left, W + right)]
    return pixel_from(inpt, rows, columns, fills)


def crop(inpt: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    return pixel_from(inpt, range(top, top + height), range(left, left + width))


def center_crop(inpt: Tensor, output_size) -> Tensor:
    height, width = [output_size] * 2 if isinstance(output_size, int) else [*output_size, *output_size][:2]
    H, W = inpt.shape[-2:]
    top = -((height - H) // 2) if height > H else round((H - height) / 2)
    left = -((width - W) // 2) if width > W else round((W - width) / 2)
    return crop(inpt, top, left, height, width)


def pixel_from(image: Tensor, rows, columns, fill=(0,)) -> Tensor:
    """The image whose pixel (y', x') is the old one at (rows[y'], columns[x']), or the fill where there is none."""
    H, W = image.shape[-2:]
    fill = torch.tensor(fill).to(image.dtype).reshape(-1, 1).expand(image.shape[-3], 1)[:, 0]
    outside = torch.zeros_like(image[..., :1, :1])[..., 0, 0] + fill
    rows, columns = list(rows), list(columns)
    output = image.new_empty(*image.shape[:-2], len(rows), len(columns))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            output[..., i, j] = image[..., y, x] if 0 <= y < H and 0 <= x < W else outside
    return output


def _as_it_is(x: int, n: int, before: int, after: int) -> int:
    return x


def _edge(x: int, n: int, before: int, after: int) -> int:
    return min(max(x, 0), n - 1)


def _reflect(x: int, n: int, before: int, after: int) -> int:
    if max(before, after) >= n:
        raise RuntimeError(f"pad: Padding size should be less than {n}, received padding ({before}, {after})")
    return -x if x < 0 else min(x, 2 * (n - 1) - x)


def _symmetric(x: int, n: int, before: int, after: int) -> int:
    if max(before, after) > n:
        raise IndexError(f"pad: Padding size should be at most {n}, received padding ({before}, {after})")
    return -1 - x if x < 0 else min(x, 2 * n - 1 - x)
