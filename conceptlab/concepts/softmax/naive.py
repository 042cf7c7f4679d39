"""Softmax by its formula."""

import warnings

import torch
from torch import Tensor


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return _log_softmax(input, _axis("softmax", input, dim, _stacklevel), dtype).exp()


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    return _log_softmax(input, _axis("log_softmax", input, dim, _stacklevel), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return _log_softmax(-input, _axis("softmin", input, dim, _stacklevel), dtype).exp()


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=3)
    # torch draws in the order of contiguous memory, whatever the logits have
    gumbel = -torch.empty_like(logits, memory_format=torch.legacy_contiguous_format).exponential_().log()
    y = _log_softmax(((logits + gumbel) / tau).contiguous(), dim, None).exp()
    if not hard:
        return y
    rounded = torch.zeros_like(y).scatter(dim, y.argmax(dim, keepdim=True), 1)
    # straight through: the value is that of the rounded one, the derivative that of y
    return rounded + (y - y.detach())


def _log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None) -> Tensor:
    x = input if dtype is None else input.to(dtype)
    if x.numel() == 0:
        return x.clone()
    # any constant may be subtracted; the largest number as one keeps the exponentials from overflowing
    x = x - x.amax(dim, keepdim=True).detach()
    return x - x.exp().sum(dim, keepdim=True).log()


def _axis(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if input.dim() in (0, 1, 3) else 1
