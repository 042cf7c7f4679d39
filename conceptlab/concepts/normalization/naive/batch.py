"""Batch normalization by its definition."""

import math
from typing import Any

import torch
from torch import Tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm eps must be positive in training and non-negative else, but got {eps}.")
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("batch_norm: running_mean and running_var must be defined in evaluation mode.")
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: running_mean and running_var must either both be None or neither be None.")

    def by_channel(parameter: Any) -> Tensor:
        return parameter.reshape(-1, *[1] * (input.dim() - 2))

    x = input.to(torch.promote_types(input.dtype, torch.float32))  # statistics of halves would be too coarse
    if any(t is not None and t.dtype not in (input.dtype, x.dtype) for t in (running_mean, running_var, weight, bias)):
        raise RuntimeError(f"batch_norm: mixed dtype: all have to be {input.dtype}, or {x.dtype} beside a half.")
    if training:
        n = math.prod(x.shape[:1] + x.shape[2:])
        if n == 1:
            raise ValueError(f"batch_norm: Expected more than 1 value per channel when training, got {x.shape}.")
        dims = [d for d in range(x.dim()) if d != 1]
        mean = x.mean(dims, keepdim=True)
        var = (x - mean).square().mean(dims, keepdim=True)
        if running_mean is not None and running_var is not None and n > 0:
            with torch.no_grad():
                unbiased = var * n / (n - 1)
                running_mean.copy_((1 - momentum) * running_mean + momentum * mean.flatten())
                running_var.copy_((1 - momentum) * running_var + momentum * unbiased.flatten())
    else:
        mean, var = by_channel(running_mean), by_channel(running_var)

    y = (x - mean) / torch.sqrt(var + eps)
    if weight is not None:
        y = y * by_channel(weight)
    if bias is not None:
        y = y + by_channel(bias)
    return y.to(input.dtype)
