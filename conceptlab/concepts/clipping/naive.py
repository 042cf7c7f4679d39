"""Clipping by its definition, one gradient after the other, whatever ``foreach`` says."""

import math
import types
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return torch.tensor(0.0)
    dtype = tensors[0].abs().dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.abs().dtype)
    # of a sparse one, what it stores
    numbers = [tensor.coalesce().values() if tensor.is_sparse else tensor for tensor in tensors]
    sizes = [x.to(tensors[0].device).abs().double() for x in numbers]
    norm = _norm(sizes, float(norm_type)).to(dtype)
    if error_if_nonfinite and not norm.isfinite():
        raise RuntimeError(f"The total norm of order {float(norm_type)} for gradients is non-finite: {norm.item()}.")
    return norm


def _norm(sizes: list[Tensor], p: float) -> Tensor:
    if p == 0:
        # torch counts the tensors that are not 0, not their numbers
        return torch.stack([(size != 0).any() for size in sizes]).sum()
    if (p < 0 or p == math.inf) and any(size.numel() == 0 for size in sizes):
        raise RuntimeError(f"get_total_norm cannot compute the norm of order {p} of a tensor without numbers.")
    every = torch.cat([size.flatten() for size in sizes])
    if math.isinf(p):
        return every.max() if p > 0 else every.min()
    return (every**p).sum() ** (1 / p)


@torch.no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad *= factor.to(parameter.grad.device)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    is_generator = isinstance(parameters, types.GeneratorType)
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if is_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm(gradients, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


@torch.no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    limit, parameters = float(clip_value), [parameters] if isinstance(parameters, Tensor) else parameters
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        raise RuntimeError("clip_grad_value_: expected at least one parameter with a gradient.")
    for gradient in gradients:
        gradient.clamp_(-limit, limit)
