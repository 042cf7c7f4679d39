"""Softmax by its formula."""

import warnings

import torch
from torch import Tensor


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return log_softmax(input, dim, _stacklevel + 1, dtype).exp()


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    if dim is None:
        warnings.warn("Implicit dimension choice has been deprecated: give dim=…", stacklevel=_stacklevel + 1)
        dim = 0 if input.dim() in (0, 1, 3) else 1
    x = input if dtype is None else input.to(dtype)
    if x.numel() == 0:
        return x.clone()
    # any constant may be subtracted; the largest number as one keeps the exponentials from overflowing
    x = x - x.amax(dim, keepdim=True).detach()
    return x - x.exp().sum(dim, keepdim=True).log()


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return softmax(-input, dim, _stacklevel + 1, dtype)
