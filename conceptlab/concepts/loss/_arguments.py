"""What the losses of all tiers ask of their arguments."""

import warnings
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import message

STACKLEVEL = 4
"""From the warnings here to the caller of a loss: this function, the loss, and what switches autocast off."""


def refuse(error: type[Exception], where: str, expected: str, received: Any, remedy: str) -> None:
    raise error(message(where, expected=expected, received=str(received), remedy=remedy))


def reduction_name(where: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """``"none"``, ``"sum"`` or ``"mean"``, from the arguments of today or of early versions of torch."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=STACKLEVEL,
        )
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=STACKLEVEL
        )
        reduction = "mean"
    if reduction not in ("none", "sum", "mean"):
        what = f"{where}: {reduction} is not a valid value for reduction"
        refuse(ValueError, what, "'none', 'sum' or 'mean'", repr(reduction), "Choose one of them.")
    return reduction


def check_sizes_agree(where: str, input: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
    """Warn where input and target are broadcast; refuse a weight of another size."""
    if target.shape != input.shape:
        warnings.warn(
            f"{where}: Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=STACKLEVEL,
        )
    if weight is not None and weight.shape != input.shape:
        what = f"{where}: Weights and input must have the same size"
        refuse(ValueError, what, tuple(input.shape), tuple(weight.shape), "Expand the weight.")


def check_same_size(where: str, input: Tensor, target: Tensor) -> None:
    if target.shape != input.shape:
        what = f"{where}: Target size ({target.size()}) must be the same as input size ({input.size()})"
        remedy = f"Using a target size ({target.size()}) that is different to the input size is refused; expand one."
        refuse(ValueError, what, tuple(input.shape), tuple(target.shape), remedy)


def check_smoothing(label_smoothing: float) -> None:
    if not 0.0 <= label_smoothing <= 1.0:
        what = "cross_entropy: label_smoothing must be between 0.0 and 1.0"
        refuse(RuntimeError, what, "a share", label_smoothing, "0 is no smoothing, 1 an even target.")


def check_classes(where: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Refuse the wrong shapes and dtypes for ``input`` (C), (B, C) or (B, C, \\*) and numbers of classes."""
    if target.dtype not in (torch.long, torch.uint8):
        what = f"{where}: expected target dtype to be Long or Byte, but got {target.dtype}"
        refuse(RuntimeError, what, "numbers of classes", target.dtype, "Convert it, with target.long().")
    if input.dim() == 0:
        refuse(ValueError, where, "Expected 1 or more dimensions", 0, "Axis 1, or the only axis, holds the classes.")
    if input.dim() == 1 and target.dim() == 1 and target.shape != (1,):
        refuse(
            RuntimeError, f"{where}: size mismatch", "one target for one row", tuple(target.shape), "Add a batch axis."
        )
    expected = input.shape[:1] + input.shape[2:] if input.dim() > 1 else target.shape[:0]
    if input.dim() > 1 and (target.dim() == 0 or target.shape[0] != input.shape[0]):
        batch = target.shape[0] if target.dim() else 0
        what = f"{where}: Expected input batch_size ({input.shape[0]}) to match target batch_size ({batch})"
        refuse(ValueError, what, tuple(expected), tuple(target.shape), "Give one target for each row.")
    if input.dim() == 2 and target.dim() > 1:
        what = f"{where}: 0D or 1D target tensor expected, multi-target not supported"
        refuse(RuntimeError, what, tuple(expected), tuple(target.shape), "Give one class for each row.")
    if input.dim() > 2 and target.shape != expected:
        what = f"{where}: Expected target size {list(expected)}, got {list(target.shape)}"
        refuse(RuntimeError, what, tuple(expected), tuple(target.shape), "Leave out the axis of the classes.")
    check_class_weight(where, input, weight)


def check_class_weight(where: str, input: Tensor, weight: Tensor | None) -> None:
    classes = input.shape[1] if input.dim() > 1 else input.shape[0]
    if weight is not None and weight.shape != (classes,):
        what = f"{where}: weight tensor should be defined either for all {classes} classes or no classes"
        refuse(RuntimeError, what, (classes,), f"weight tensor of shape: {list(weight.shape)}", "One weight a class.")
