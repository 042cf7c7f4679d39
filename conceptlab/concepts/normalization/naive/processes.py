"""Batch normalization over the batches of several processes, by its definition."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from conceptlab.core import Rule


def _sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    process_group: Any,
) -> Tensor:
    x = input.to(torch.promote_types(input.dtype, torch.float32))  # statistics of halves would be too coarse
    dims = [d for d in range(x.dim()) if d != 1]

    def of_all(part: Tensor) -> Tensor:
        return _SumOfAll.call(part, process_group)

    n = of_all(x.new_tensor(x.numel() // x.shape[1]))
    mean = of_all(x.sum(dims, keepdim=True)) / n
    var = of_all((x - mean).square().sum(dims, keepdim=True)) / n
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            unbiased = var * n / (n - 1)
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean.flatten())
            running_var.copy_((1 - momentum) * running_var + momentum * unbiased.flatten())

    y = (x - mean) / torch.sqrt(var + eps)
    if weight is not None:
        y = y * weight.view(mean.shape)
    if bias is not None:
        y = y + bias.view(mean.shape)
    return y.to(input.dtype)


class _SumOfAll(Rule):
    """The sum of what all processes have, which autograd, at home in one of them, cannot differentiate.

    Its derivative is the sum of what arrives in all processes.
    """

    @staticmethod
    def forward(part: Tensor, group: Any) -> Tensor:
        total = part.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _SumOfAll.call(g, ctx.group), None
