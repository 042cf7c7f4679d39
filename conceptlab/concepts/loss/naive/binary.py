"""Losses of yes and no."""

import torch
from torch import Tensor

from conceptlab.concepts.loss.naive.reduction import chosen, reduced
from conceptlab.core import declare

ops = declare("nn", "naive")


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
    return reduced(losses if weight is None else losses * weight, chosen(reduction, size_average, reduce))


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
    return reduced(losses if weight is None else losses * weight, chosen(reduction, size_average, reduce))
