"""Dropout by its definition: draw a mask, and multiply. The derivatives are left to autograd."""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

# SELU's lowest value, -scale * alpha (Klambauer et al., 2017, equation 14)
_LOWEST = -1.7580993408473766


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return _dropped_to_zero(input, None, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input.")
    return _dropped_to_zero(input, [*input.shape[:-1], 1], p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if input.dim() == 3:
        warnings.warn("dropout2d: Received a 3D input to dropout2d, and takes it as (B, C, T).", stacklevel=3)
    elif input.dim() != 4:
        warnings.warn(f"dropout2d: Received a {input.dim()}-D input to dropout2d, not (B, C, H, W).", stacklevel=3)
    return _dropped_to_zero(input, _channels(input, p, training), p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if input.dim() not in (4, 5):
        warnings.warn(f"dropout3d: Received a {input.dim()}-D input to dropout3d, not (B, C, D, H, W).", stacklevel=3)
    mask_shape = _channels(input, p, training) if input.dim() == 5 else _channels(input[None], p, training)[1:]
    return _dropped_to_zero(input, mask_shape, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    return _dropped_to_lowest(input, None, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    return _dropped_to_lowest(input, _channels(input, p, training), p, training, inplace)


def _dropped_to_zero(
    input: Tensor, mask_shape: Sequence[int] | None, p: float, training: bool, inplace: bool
) -> Tensor:
    if _nothing_to_drop(input, p, training):
        return input
    mask = _mask(input, mask_shape, p)
    output = input * mask if p == 1 else input * mask / (1 - p)
    return input.copy_(output) if inplace else output


def _dropped_to_lowest(
    input: Tensor, mask_shape: Sequence[int] | None, p: float, training: bool, inplace: bool
) -> Tensor:
    if p == 1 or _nothing_to_drop(input, p, training):
        return _dropped_to_zero(input, mask_shape, p, training, inplace)
    mask = _mask(input, mask_shape, p)
    a = 1 / math.sqrt((1 - p) * (1 + p * _LOWEST**2))
    b = -a * p * _LOWEST
    output = a * (input * mask + (1 - mask) * _LOWEST) + b
    return input.copy_(output) if inplace else output


def _nothing_to_drop(input: Tensor, p: float, training: bool) -> bool:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}.")
    return p == 0 or not training or input.numel() == 0


def _mask(input: Tensor, shape: Sequence[int] | None, p: float) -> Tensor:
    """1 where a value stays."""
    if p == 1:
        return torch.zeros_like(input)  # torch draws nothing then
    # for each element, like the input in memory, too: the draws follow the order there
    mask = torch.empty_like(input) if shape is None else input.new_empty(shape)
    return mask.bernoulli_(1 - p)


def _channels(input: Tensor, p: float, training: bool) -> list[int]:
    """A mask for each channel of each member of the batch."""
    if input.dim() < 2 and training and p not in (0, 1):
        raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, not {input.dim()}.")
    return [*input.shape[:2], *(1 for _ in input.shape[2:])]
