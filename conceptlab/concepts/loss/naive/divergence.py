"""How far one distribution is from another."""

import warnings

import torch
from torch import Tensor

from conceptlab.concepts.loss.naive.reduction import chosen, reduced


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
    how = chosen("sum" if reduction == "batchmean" else reduction, size_average, reduce)
    loss = reduced(losses, how)
    return loss / input.shape[0] if reduction == "batchmean" and input.dim() else loss
