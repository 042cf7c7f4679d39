"""A tier of the concept linear: the weighted sums in Einstein's notation. The derivatives are left to autograd."""

import torch
from torch import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.dim() == 1:
        if bias is not None and (bias.dim() > 0 or input.dim() == 2):
            raise RuntimeError("linear: expected a weight that is a matrix, since there is a bias, received a vector.")
        return torch.einsum("...i,i->...", input, weight) + (0 if bias is None else bias)
    output = torch.einsum("...i,oi->...o", input, weight)
    # the bias may broadcast, the result may not
    return output if bias is None else (output + bias).reshape(output.shape)
