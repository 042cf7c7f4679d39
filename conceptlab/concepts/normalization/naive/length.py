"""Vectors of length 1, by their definition."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def normalize(
    input: Tensor, p: float = 2.0, dim: int | Sequence[int] | None = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    dims = (dim,) if isinstance(dim, int) else tuple(dim or range(x.dim()))
    size = x.abs()
    if p == math.inf:
        norm = size.amax(dims, keepdim=True)
    elif p == -math.inf:
        norm = size.amin(dims, keepdim=True)
    elif p == 0:
        norm = (x != 0).sum(dims, keepdim=True).to(x.dtype)
    else:
        norm = _power(_power(size, p).sum(dims, keepdim=True), 1 / p)
    length = norm.clamp_min(eps)
    return (x / length).to(input.dtype) if out is None else torch.div(x, length, out=out)


def _power(x: Tensor, p: float) -> Tensor:
    """x^p, whose slope is taken for 0 where x is: it may be infinite."""
    is_zero = x == 0
    return x.masked_fill(is_zero, 1).pow(p).masked_fill(is_zero, 0 if p > 0 else math.inf)
