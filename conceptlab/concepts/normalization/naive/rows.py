"""Layer and RMS normalization by their definitions."""

from collections.abc import Sequence

import torch
from torch import Tensor


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    _check("layer_norm", input, normalized_shape, weight, bias)
    x = input.to(torch.promote_types(input.dtype, torch.float32))  # statistics of halves would be too coarse
    if any(t is not None and t.dtype not in (input.dtype, x.dtype) for t in (weight, bias)):
        raise RuntimeError(f"layer_norm: mixed dtype: all have to be {input.dtype}, or {x.dtype} beside a half.")
    if not input.is_floating_point():
        raise NotImplementedError(f"layer_norm not implemented for '{input.dtype}'.")
    dims = tuple(range(-len(normalized_shape), 0))
    mean = x.mean(dims, keepdim=True)
    var = (x - mean).square().mean(dims, keepdim=True)
    y = (x - mean) / torch.sqrt(var + eps)
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y.to(input.dtype).contiguous()


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    if len(normalized_shape) > input.dim():
        raise ValueError(f"rms_norm: input must have at least {len(normalized_shape)} dimensions, got {input.dim()}.")
    _check("rms_norm", input, normalized_shape, weight, None)
    if not input.is_floating_point():
        raise NotImplementedError(f"rms_norm not implemented for '{input.dtype}'.")
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    if eps is None:
        eps = torch.finfo(x.dtype).eps
    dims = tuple(range(-len(normalized_shape), 0))
    y = x / torch.sqrt(x.square().mean(dims, keepdim=True) + eps)
    if weight is not None:
        y = y * weight
    is_channels_last = input.dim() in (4, 5) and input.movedim(1, -1).is_contiguous()
    return y.to(input.dtype) if is_channels_last else y.to(input.dtype).contiguous()


def _check(
    where: str, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None
) -> None:
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(f"{where}: normalized_shape must be at least 1-dimensional, but got ().")
    if tuple(input.shape[-len(shape) :]) != shape:
        raise RuntimeError(f"{where}: normalized_shape {shape} asks for an input [*, {shape}], got {input.shape}.")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != shape:
            raise RuntimeError(f"{where}: {name} must have the shape {shape}, but got {parameter.shape}.")
