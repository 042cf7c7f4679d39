"""Softmax by its definition, with the largest score subtracted. The derivatives are left to autograd."""

import warnings

import torch
from torch import Tensor


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    dim = _implicit_dim("softmax", input, _stacklevel) if dim is None else dim
    weights = torch.exp(_shifted(input.to(dtype or input.dtype), dim))
    return weights / weights.sum(dim, keepdim=True)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    dim = _implicit_dim("log_softmax", input, _stacklevel) if dim is None else dim
    shifted = _shifted(input.to(dtype or input.dtype), dim)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    dim = _implicit_dim("softmin", input, _stacklevel) if dim is None else dim
    return softmax(-input, dim, dtype=dtype)


def _shifted(x: Tensor, dim: int) -> Tensor:
    # no share depends on the shift, so neither does a gradient
    return x - x.detach().amax(dim, keepdim=True) if x.numel() else x.clone()


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    text = f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument."
    warnings.warn(text, stacklevel=stacklevel + 1)
    return 0 if input.dim() in (0, 1, 3) else 1
