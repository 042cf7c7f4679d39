"""What all losses end in: weights, and a mean or a sum."""

import warnings

from torch import Tensor


def difference(input: Tensor, target: Tensor) -> Tensor:
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}).", stacklevel=4
        )
    return input - target


def weighted(losses: Tensor, input: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return losses
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    return losses * weight


def reduced(losses: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() / (losses.numel() if weight is None else weight.sum()) if reduction == "mean" else losses.sum()


def chosen(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction: expected 'none', 'mean' or 'sum'.")
    return reduction
