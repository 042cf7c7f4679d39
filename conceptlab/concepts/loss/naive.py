"""The losses by their formulas. The derivatives are left to autograd."""

import torch
from torch import Tensor

from conceptlab.concepts.loss import _arguments as arguments
from conceptlab.core import declare, require_floating

ops = declare("nn", "naive")


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    reduction = arguments.reduction_name("mse_loss", reduction, size_average, reduce)
    arguments.check_sizes_agree("mse_loss", input, target, weight)
    require_floating("mse_loss", input)
    return _weighted_mean((input - target) ** 2, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    reduction = arguments.reduction_name("l1_loss", reduction, size_average, reduce)
    arguments.check_sizes_agree("l1_loss", input, target, weight)
    return _weighted_mean((input - target).abs(), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    reduction = arguments.reduction_name("smooth_l1_loss", reduction, size_average, reduce)
    arguments.check_sizes_agree("smooth_l1_loss", input, target)
    require_floating("smooth_l1_loss", input)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, received {beta}.")
    d = (input - target).abs()
    losses = d if beta == 0 else torch.where(d < beta, d * d / (2 * beta), d - beta / 2)
    return _reduced(losses, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    reduction = arguments.reduction_name("huber_loss", reduction)
    arguments.check_sizes_agree("huber_loss", input, target, weight)
    require_floating("huber_loss", input)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, received {delta}.")
    d = (input - target).abs()
    losses = torch.where(d <= delta, d * d / 2, delta * (d - delta / 2))
    return _reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = arguments.reduction_name("binary_cross_entropy", reduction, size_average, reduce)
    arguments.check_same_size("binary_cross_entropy", input, target)
    losses = -(target * _log(input) + (1 - target) * _log(1 - input))
    return _reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    reduction = arguments.reduction_name("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    arguments.check_same_size("binary_cross_entropy_with_logits", input, target)
    yes = target if pos_weight is None else target * pos_weight
    # −log σ(x) = log(1 + e⁻ˣ) and −log(1 − σ(x)) = x + log(1 + e⁻ˣ)
    losses = yes * _log_one_plus_exp(-input) + (1 - target) * (input + _log_one_plus_exp(-input))
    return _reduced(losses if weight is None else losses * weight, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = arguments.reduction_name("nll_loss", reduction, size_average, reduce)
    arguments.check_classes("nll_loss", input, target, weight)
    require_floating("nll_loss", input)
    one_hot, factors = _chosen(input, target, weight, ignore_index)
    axis = min(1, input.dim() - 1)
    losses = -(torch.where(one_hot, input, 0)).sum(axis) * factors
    return _per_weight(losses, factors) if reduction == "mean" else _reduced(losses, reduction)


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
    reduction = arguments.reduction_name("cross_entropy", reduction, size_average, reduce)
    arguments.check_smoothing(label_smoothing)
    axis = min(1, input.dim() - 1)
    classes = input.shape[axis]
    log_p = ops.log_softmax(input, axis)
    every = log_p if weight is None else log_p * weight.reshape(-1, *[1] * (input.dim() - 1 - axis))
    if target.shape == input.shape:
        if not target.is_floating_point():
            raise RuntimeError("Expected floating point type for target with class probabilities")
        target = target * (1 - label_smoothing) + label_smoothing / classes
        losses = -(target * every).sum(axis)
        rows = max(1, input.numel() // max(1, classes))
        return losses.sum() / rows if reduction == "mean" else _reduced(losses, reduction)
    arguments.check_classes("cross_entropy", input, target, weight)
    one_hot, factors = _chosen(input, target, weight, ignore_index)
    right = -(torch.where(one_hot, log_p, 0)).sum(axis) * factors
    even = -every.sum(axis).masked_fill(target == ignore_index, 0) / classes
    losses = (1 - label_smoothing) * right + label_smoothing * even
    return _per_weight(losses, factors) if reduction == "mean" else _reduced(losses, reduction)


def _per_weight(losses: Tensor, factors: Tensor) -> Tensor:
    total = factors.sum()
    # where nothing is left, the mean is NaN and its gradient 0
    return torch.where(total == 0, total / total, losses.sum() / total.masked_fill(total == 0, 1))


def _chosen(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Where each row's class is, and the row's weight: 0 if it is to be ignored."""
    axis = min(1, input.dim() - 1)
    numbers = torch.arange(input.shape[axis], device=input.device)
    one_hot = target.unsqueeze(axis) == numbers.reshape(-1, *[1] * (input.dim() - 1 - axis))
    ignored = target == ignore_index
    weight = input.new_ones(input.shape[axis]) if weight is None else weight
    classes = target.long().masked_fill(ignored, 0)
    return one_hot, weight.index_select(0, classes.flatten()).reshape(classes.shape).masked_fill(ignored, 0)


def _log(p: Tensor) -> Tensor:
    return p.log().clamp(min=-100)


def _log_one_plus_exp(x: Tensor) -> Tensor:
    return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))


def _weighted_mean(losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return _reduced(losses, reduction)
    return (losses * weight).sum() / weight.sum() if reduction == "mean" else _reduced(losses * weight, reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    return {"none": lambda x: x, "sum": torch.sum, "mean": torch.mean}[reduction](losses)
