"""Losses of classes, sample by sample."""

import torch
from torch import Tensor

from conceptlab.concepts.loss.naive.reduction import chosen, reduced
from conceptlab.core import declare

ops = declare("nn", "naive")


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    return _of_classes(input, target, weight, ignore_index, chosen(reduction, size_average, reduce), 0.0)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    reduction = chosen(reduction, size_average, reduce)
    axis = 0 if input.dim() == 1 else 1
    label_smoothing = max(label_smoothing, 0)
    log_p = ops.log_softmax(input, axis)
    if target.shape != input.shape:
        return _of_classes(log_p, target, weight, ignore_index, reduction, label_smoothing)
    classes = max(input.shape[axis], 1)
    shares = target * (1 - label_smoothing) + label_smoothing / classes
    weights = torch.ones_like(log_p) if weight is None else _class_last(torch.ones_like(log_p)) * weight
    weights = weights if weight is None else weights.movedim(-1, axis)
    losses = -(weights * shares * log_p).sum(axis)
    return losses.sum() / (input.numel() // classes) if reduction == "mean" else reduced(losses, reduction)


def _of_classes(
    log_p: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    if log_p.dim() > 1 and target.dim() and log_p.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({log_p.shape[0]}) to match target batch_size ({target.shape[0]})."
        )
    rows = _class_last(log_p)
    weights = rows.new_ones(rows.shape[-1]) if weight is None else weight
    losses, counts = [], []
    for row, t in zip(rows.reshape(-1, rows.shape[-1]), target.reshape(-1).tolist(), strict=True):
        if t == ignore_index:
            losses.append(row.masked_fill(torch.ones_like(row, dtype=torch.bool), 0).sum())
            counts.append(row.new_zeros(()))
            continue
        if not 0 <= t < len(row):
            raise IndexError(f"Target {t} is out of bounds: expected a class from 0 to {len(row) - 1}.")
        smooth = -(weights * row).sum() / len(row)
        losses.append(
            (1 - label_smoothing) * -weights[t] * row[t] + (label_smoothing * smooth if label_smoothing else 0)
        )
        counts.append(weights[t])
    stacked = torch.stack(losses) if losses else rows.sum(-1).reshape(-1)
    if reduction != "mean":
        return reduced(stacked.reshape(rows.shape[:-1]), reduction)
    return stacked.sum() / (torch.stack(counts).sum() if counts else 0)


def _class_last(x: Tensor) -> Tensor:
    return x if x.dim() == 1 else x.movedim(1, -1)
