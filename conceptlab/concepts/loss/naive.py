"""Losses by their definitions: sample by sample, class by class. The derivatives are left to autograd."""

import warnings

import torch
from torch import Tensor

from conceptlab.core import declare

ops = declare("nn", "naive")
# 10⁻¹², as torch has it: in float32
_EPS = 9.999999960041972e-13


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    losses = _difference(input, target) ** 2
    return _reduced(_weighted(losses, input, weight), _chosen(reduction, size_average, reduce), weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    losses = _difference(input, target).abs()
    return _reduced(_weighted(losses, input, weight), _chosen(reduction, size_average, reduce), weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, received {beta}.")
    d = _difference(input, target)
    losses = _huber(d, beta) / beta if beta else d.abs()
    return _reduced(losses, _chosen(reduction, size_average, reduce))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, received {delta}.")
    d = _difference(input, target)
    return _reduced(_weighted(_huber(d, delta), input, weight), _chosen(reduction)).to(input.dtype)


def _huber(d: Tensor, delta: float) -> Tensor:
    # a parabola, d² / 2, as far as delta, where r = d; from there on a straight line, delta (|d| - delta / 2)
    r = d.clamp(-delta, delta)
    return r * (d - r / 2)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    if target.shape != input.shape:
        raise ValueError(f"Using a target size ({target.size()}) that is different to the input size ({input.size()}).")
    inside = torch.all((input >= 0) & (input <= 1))
    torch._assert_async(inside, "binary_cross_entropy: all elements of input should be between 0 and 1")
    yes, no = torch.log(input).clamp(min=-100), torch.log1p(-input).clamp(min=-100)
    losses = -(target * yes + (1 - target) * no)
    return _reduced(losses if weight is None else losses * weight, _chosen(reduction, size_average, reduce))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()}).")
    yes, no = ops.logsigmoid(input), ops.logsigmoid(-input)
    losses = -(target * yes * (1 if pos_weight is None else pos_weight) + (1 - target) * no)
    return _reduced(losses if weight is None else losses * weight, _chosen(reduction, size_average, reduce))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    return _of_classes(input, target, weight, ignore_index, _chosen(reduction, size_average, reduce), 0.0)


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
    reduction = _chosen(reduction, size_average, reduce)
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
    return losses.sum() / (input.numel() // classes) if reduction == "mean" else _reduced(losses, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn("reduction: 'mean' divides by the support size, too; 'batchmean' does not.", stacklevel=3)
    if not (input.is_floating_point() and target.is_floating_point()):
        raise RuntimeError(f"kl_div: Integral inputs not supported, received {input.dtype} and {target.dtype}.")
    if log_target:
        losses = target.exp() * (target - input)
    else:
        # t log t has the limit 0
        losses = torch.where(target == 0, 0, target * target.log()) - target * input
    chosen = _chosen("sum" if reduction == "batchmean" else reduction, size_average, reduce)
    loss = _reduced(losses, chosen)
    return loss / input.shape[0] if reduction == "batchmean" and input.dim() else loss


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
    return _reduced(losses, _chosen(reduction, size_average, reduce))


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
    return _reduced(losses, _chosen(reduction, size_average, reduce))


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
        return _reduced(stacked.reshape(rows.shape[:-1]), reduction)
    return stacked.sum() / (torch.stack(counts).sum() if counts else 0)


def _class_last(x: Tensor) -> Tensor:
    return x if x.dim() == 1 else x.movedim(1, -1)


def _difference(input: Tensor, target: Tensor) -> Tensor:
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}).", stacklevel=4
        )
    return input - target


def _weighted(losses: Tensor, input: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return losses
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    return losses * weight


def _reduced(losses: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() / (losses.numel() if weight is None else weight.sum()) if reduction == "mean" else losses.sum()


def _chosen(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction: expected 'none', 'mean' or 'sum'.")
    return reduction
