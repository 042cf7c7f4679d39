"""Convolution, pooling and padding, wrong in ways that were published."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def conv2d_deaf_to_dilation(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The rows of the kernel lie side by side, whatever the dilation."""
    if groups < 1:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)  # refused
    return _by_taps(input, weight, bias, stride, padding, dilation, groups, rows_apart=1)


def conv2d_with_mixed_groups(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Each group takes every ``groups``-th channel; torch's takes channels side by side."""
    axis = input.dim() - 3
    if groups > 1 and input.shape[axis] % groups == 0:
        mixed = input.unflatten(axis, (-1, groups)).transpose(axis, axis + 1).flatten(axis, axis + 1)
        input = mixed.contiguous(memory_format=torch.channels_last) if _channels_last(input) else mixed
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv2d_sample_by_sample(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """A loop over the batch, whose results are stacked: of an empty batch there is nothing to stack."""
    settings = (stride, padding, dilation, groups)
    if input.dim() != 4 or groups < 1:
        return F.conv2d(input, weight, bias, *settings)
    y = torch.stack([F.conv2d(image, weight, bias, *settings) for image in input])
    return y.contiguous(memory_format=torch.channels_last) if _channels_last(input, weight) else y


def _channels_last(*images: Tensor) -> bool:
    return any(x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous() for x in images)


def _by_taps(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    *,
    rows_apart: int,
) -> Tensor:
    """A convolution as a sum over the kernel's taps."""
    if input.dim() == 3:
        whole = _by_taps(input[None], weight, bias, stride, padding, dilation, groups, rows_apart=rows_apart)
        return whole[0]
    (sy, sx), (dy, dx), (kh, kw) = _pair(stride), _pair(dilation), weight.shape[2:]
    before_and_after = _sides(padding, (dy * (kh - 1), dx * (kw - 1)))
    x = F.pad(input, before_and_after)
    H, W = (x.shape[2] - dy * (kh - 1) - 1) // sy + 1, (x.shape[3] - dx * (kw - 1) - 1) // sx + 1
    B, C, O = x.shape[0], x.shape[1], weight.shape[0]  # noqa: E741
    x, w = x.reshape(B, groups, C // groups, *x.shape[2:]), weight.reshape(groups, O // groups, C // groups, kh, kw)
    y: Any = 0
    for i in range(kh):
        for j in range(kw):
            top, left = i * (rows_apart or dy), j * dx
            seen = x[..., top : top + sy * (H - 1) + 1 : sy, left : left + sx * (W - 1) + 1 : sx]
            y = y + torch.einsum("bgchw,goc->bgohw", seen, w[..., i, j])
    y = y.reshape(B, O, H, W)
    y = y if bias is None else y + bias.view(-1, 1, 1)
    return y.contiguous(memory_format=torch.channels_last) if _channels_last(input, weight) else y.contiguous()


def _pair(value: Any) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return (values * 2)[:2] if len(values) == 1 else values


def _sides(padding: Any, reach: tuple[int, int]) -> tuple[int, ...]:
    if padding == "same":
        return reach[1] // 2, reach[1] - reach[1] // 2, reach[0] // 2, reach[0] - reach[0] // 2
    (py, px) = (0, 0) if padding == "valid" else _pair(padding)
    return px, px, py, py


def max_pool2d_last_index(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Among equals it takes the last; torch's takes the first."""
    y, indices = F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)
    for place, value in _places(input, y, kernel_size, stride, padding, dilation):
        indices.copy_(torch.where(value == y, place, indices))
    values = torch.empty_like(y).copy_(input.flatten(-2).gather(-1, indices.flatten(-2)).reshape(y.shape))
    return (values, indices) if return_indices else values


def _places(
    input: Tensor, y: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each position in the window: its place in the image, and the value there; NaN outside of the image."""
    (kh, kw), (sy, sx), (py, px), (dy, dx) = map(_pair, (kernel_size, stride or kernel_size, padding, dilation))
    H, W = input.shape[-2:]
    rows = torch.arange(y.shape[-2], device=input.device) * sy - py
    columns = torch.arange(y.shape[-1], device=input.device) * sx - px
    for i in range(kh):
        for j in range(kw):
            row, column = (rows + i * dy)[:, None], (columns + j * dx)[None, :]
            inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)
            place = row.clamp(0, H - 1) * W + column.clamp(0, W - 1)
            value = input.detach().flatten(-2)[..., place.flatten()].unflatten(-1, place.shape)
            yield place, torch.where(inside, value.to(torch.float64), torch.nan)


def max_pool2d_assigning(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """In backward an element that is the maximum of two windows gets the gradient of one of them."""
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    values, indices = _Assigning.apply(input, *settings)
    return (values, indices) if return_indices else values


class _Assigning(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *settings: Any) -> Any:
        y, indices = F.max_pool2d(x, *settings, return_indices=True)
        ctx.save_for_backward(indices)
        ctx.mark_non_differentiable(indices)
        ctx.shape = x.shape
        return y, indices

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> Any:
        (indices,) = ctx.saved_tensors
        planes = grad.new_zeros(*ctx.shape[:-2], ctx.shape[-2] * ctx.shape[-1])
        planes.scatter_(-1, indices.flatten(-2), grad.flatten(-2))
        return planes.reshape(ctx.shape), None, None, None, None, None


def pad_with_swapped_sides(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """What belongs before an axis comes after it."""
    swapped = [side for before, after in zip(pad[::2], pad[1::2], strict=True) for side in (after, before)]
    return F.pad(input, swapped, mode, value)
