"""ReLU and its kin, each by its definition. The derivatives are left to autograd."""

import torch
from torch import Tensor

# Klambauer et al., 2017, equation 14
_ALPHA = 1.6732632423543772848170429916717
_SCALE = 1.0507009873554804934193349852946


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, input.masked_fill(input <= 0, 0), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return hardtanh(input, 0, 6, inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, received {min_val} and {max_val}.")
    limited = input.masked_fill(input <= min_val, min_val).masked_fill(input >= max_val, max_val)
    return _result(input, limited, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    return _result(input, input.masked_fill(input <= threshold, value), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return _result(input, torch.where(input > 0, input, negative_slope * input), inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    if weight.dim() > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, received {weight.dim()} dimensions.")
    # one slope for all, or one for each channel: axis 1
    slope = weight.reshape(-1, *[1] * (input.dim() - 2)) if input.dim() >= 2 else weight.reshape([])
    return torch.where(input > 0, input, slope * input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    negative = torch.where(input <= 0, input, 0)  # exp of a large input would overflow, in the branch that is not taken
    return _result(input, torch.where(input <= 0, alpha * (torch.exp(negative) - 1), input), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, _SCALE * elu(input, _ALPHA), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    if alpha == 0:
        raise RuntimeError("celu: ZeroDivisionError: alpha cannot be 0 for CELU.")
    negative = torch.where(input <= 0, input, 0)
    return _result(input, torch.where(input <= 0, alpha * (torch.exp(negative / alpha) - 1), input), inplace)


def _result(input: Tensor, output: Tensor, inplace: bool) -> Tensor:
    return input.copy_(output) if inplace else output
