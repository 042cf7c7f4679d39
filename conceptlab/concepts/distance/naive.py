"""Distance and similarity by their definitions. autograd finds the derivatives."""

import math

import torch
from torch import Tensor


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    d = x1 - x2 + eps
    return _norm(d, p, keepdim) if d.dim() else _norm(d.reshape(1), p, keepdim=False)


def _norm(d: Tensor, p: float, keepdim: bool) -> Tensor:
    size = d.abs()
    if p == 0:
        # how many are not 0: a count, that is in a graph as torch has it, and passes no gradient on
        return torch.linalg.vector_norm(d, 0, -1, keepdim=keepdim)
    if d.shape[-1] == 0 and (p < 0 or p == math.inf):
        raise RuntimeError(f"pairwise_distance cannot compute the norm of order {p}: its axis is empty.")
    if math.isinf(p):
        # the largest or the smallest, which share it where there are several
        extreme = size.amax(-1, keepdim=True) if p > 0 else size.amin(-1, keepdim=True)
        is_extreme = (size == extreme) | size.isnan()
        return torch.where(is_extreme, size, 0).sum(-1, keepdim=keepdim) / is_extreme.sum(-1, keepdim=keepdim)
    # 0 to a power, which has no derivative, is chosen as a constant: 0, or infinity of a negative power
    is_zero, at_zero = size == 0, 0.0 if p > 0 else math.inf
    total = torch.where(is_zero, at_zero, torch.where(is_zero, 1, size) ** p).sum(-1, keepdim=keepdim)
    is_end = total == at_zero
    return torch.where(is_end, 0.0, torch.where(is_end, 1, total) ** (1 / p))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    dtype = torch.result_type(x1, x2)
    if not dtype.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {dtype}.")
    if not eps >= 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps}.")
    x1, x2 = torch.broadcast_tensors(*(x if x.is_floating_point() else x.to(dtype) for x in (x1, x2)))
    return (x1 / _length(x1, dim, eps) * (x2 / _length(x2, dim, eps))).sum(dim)


def _length(x: Tensor, dim: int, eps: float) -> Tensor:
    length = torch.linalg.vector_norm(x, 2, dim, keepdim=True)
    # its derivative is that of the length, also where eps has taken its place
    return torch.where(length < eps, length - length.detach() + eps, length)
