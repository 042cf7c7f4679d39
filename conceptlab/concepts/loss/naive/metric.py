"""Losses of pairs and triplets of vectors."""

import torch
from torch import Tensor

from conceptlab.concepts.loss.naive.reduction import chosen, reduced
from conceptlab.core import declare

ops = declare("nn", "naive")
# 10⁻¹², as torch has it: in float32
_EPS = 9.999999960041972e-13


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    if target.dim() > 1:
        raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported, received {target.dim()}D.")
    if not input1.dim() == input2.dim() == target.dim() + 1:
        raise RuntimeError(f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors.")
    square1, square2 = ((x * x).sum(-1) + _EPS for x in (input1, input2))
    c = (input1 * input2).sum(-1) / torch.sqrt(square1 * square2)
    losses = torch.where(target == 1, 1 - c, 0) + torch.where(target == -1, (c - margin).clamp(min=0), 0)
    return reduced(losses, chosen(reduction, size_average, reduce))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}.")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have as many dimensions.")
    near, far = ops.pairwise_distance(anchor, positive, p, eps), ops.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = torch.minimum(far, ops.pairwise_distance(positive, negative, p, eps))
    losses = (margin + near - far).clamp(min=0)
    return reduced(losses, chosen(reduction, size_average, reduce))
