"""Linear, as on the blackboard: every output is one weighted sum."""

import torch
from torch import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.dim() == 1:
        output = _weighted_sum(input, weight)
    else:
        output = torch.stack([_weighted_sum(input, row) for row in weight], dim=-1)
    # the bias may broadcast, the result may not
    return output if bias is None else (output + bias).reshape(output.shape)


def _weighted_sum(x: Tensor, w: Tensor) -> Tensor:
    return (x * w).sum(dim=-1)
