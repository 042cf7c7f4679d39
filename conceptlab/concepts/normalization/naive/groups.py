"""Group and instance normalization by their definitions."""

from typing import Any

import torch
from torch import Tensor


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    if input.dim() < 2 or num_groups < 0 or input[0:1].numel() == 0 < len(input) or input.shape[1] % num_groups != 0:
        raise RuntimeError(
            f"group_norm: Expected an input (B, C, …) with at least 2 dimensions, a number of channels that is greater "
            f"than 0 and divisible by num_groups={num_groups}, and HxW > 0, but got {tuple(input.shape)}."
        )
    x = input.to(torch.promote_types(input.dtype, torch.float32))  # statistics of halves would be too coarse
    dims = list(range(1, x.dim()))
    outputs = []
    for group in x.chunk(num_groups, dim=1):
        mean = group.mean(dims, keepdim=True)
        var = (group - mean).square().mean(dims, keepdim=True)
        outputs.append((group - mean) / torch.sqrt(var + eps))
    y = _affine(torch.cat(outputs, dim=1), weight, bias)
    return _in_torch_layout(y.to(input.dtype), input)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    if use_input_stats:
        n = input[0:1, 0:1].numel()
        if n == 1 or input.dim() < 3:
            raise ValueError(f"instance_norm: Expected more than 1 spatial element when training, got {input.shape}.")
        dims = list(range(2, x.dim()))
        mean = x.mean(dims, keepdim=True)
        var = (x - mean).square().mean(dims, keepdim=True)
        if running_mean is not None and running_var is not None and x.numel() > 0:
            with torch.no_grad():
                unbiased = var * n / (n - 1)
                running_mean.copy_((1 - momentum) * running_mean + momentum * mean.mean(0).flatten())
                running_var.copy_((1 - momentum) * running_var + momentum * unbiased.mean(0).flatten())
    else:
        mean, var = _by_channel(running_mean, x).to(x.dtype), _by_channel(running_var, x).to(x.dtype)
    y = _affine((x - mean) / torch.sqrt(var + eps), weight, bias)
    return y.to(input.dtype).contiguous()


def _by_channel(parameter: Any, x: Tensor) -> Tensor:
    return parameter.reshape(-1, *[1] * (x.dim() - 2))


def _affine(z: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    y = z if weight is None else z * _by_channel(weight, z)
    return y if bias is None else y + _by_channel(bias, z)


def _in_torch_layout(y: Tensor, input: Tensor) -> Tensor:
    """Contiguous, or with the channels side by side in memory."""
    if input.dim() in (4, 5) and not input.is_contiguous() and input.movedim(1, -1).is_contiguous():
        return y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y.contiguous()
