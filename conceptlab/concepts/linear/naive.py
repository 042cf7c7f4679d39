"""Linear, as on the blackboard: every output is one weighted sum."""

import torch
from torch import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.dim() == 1:
        return _weighted_sum(input, weight, bias)
    outputs = [_weighted_sum(input, row, None if bias is None else bias[o]) for o, row in enumerate(weight)]
    return torch.stack(outputs, dim=-1)


def _weighted_sum(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    total = (x * w).sum(dim=-1)
    return total if b is None else total + b
