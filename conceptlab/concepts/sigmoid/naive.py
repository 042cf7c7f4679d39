"""Sigmoid and its kin, each by its definition, through exponentials of negative numbers. Autograd does the rest."""

import math

import torch
from torch import Tensor


def sigmoid(input: Tensor) -> Tensor:
    x = _floating(input)
    negative = x < 0
    # the argument that is not taken is 0: an infinite exponential would spoil the derivative
    of_positive = 1 / (1 + torch.exp(-x.masked_fill(negative, 0)))
    e = torch.exp(x.masked_fill(~negative, 0))
    return torch.where(negative, e / (1 + e), of_positive)


def tanh(input: Tensor) -> Tensor:
    x = _floating(input)
    negative = x < 0
    # with e = exp(-2 |x|) - 1, which expm1 computes without cancellation near 0
    of_positive = torch.expm1(-2 * x.masked_fill(negative, 0))
    e = torch.expm1(2 * x.masked_fill(~negative, 0))
    return torch.where(negative, e / (2 + e), -of_positive / (2 + of_positive))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    linear = input * beta > threshold
    z = (input * beta).masked_fill(linear, 0)  # not to overflow in the branch that is not taken
    return torch.where(linear, input, torch.log1p(torch.exp(z)) / beta)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    x = input.clone() if inplace else input
    return _result(input, x * sigmoid(x), inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "none":
        return input * (1 + torch.erf(input / math.sqrt(2))) / 2
    if approximate != "tanh":
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, received {approximate}.")
    return input * (1 + tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3))) / 2


def logsigmoid(input: Tensor) -> Tensor:
    negative = input < 0
    of_positive = -torch.log1p(torch.exp(-input.masked_fill(negative, 0)))
    of_negative = input - torch.log1p(torch.exp(input.masked_fill(~negative, 0)))
    return torch.where(negative, of_negative, of_positive)


def softsign(input: Tensor) -> Tensor:
    return input / (1 + input.abs())


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    x = input.clone() if inplace else input
    return _result(input, x * tanh(softplus(x)), inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even.")
    if input.size(dim) % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {input.size(dim)}.")
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    line = (input + 3) / 6
    # torch's derivative has 1 / 6 as float32 has it, in float64, too
    line = line.detach() + 0.1666666716337204 * (input - input.detach())
    return _result(input, _limited(line, input), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    x = input.clone() if inplace else input
    return _result(input, x * _limited((x + 3) / 6, x), inplace)


def _limited(line: Tensor, input: Tensor) -> Tensor:
    """0 up to -3, and 1 from 3 on."""
    return line.masked_fill(input <= -3, 0).masked_fill(input >= 3, 1)


def _result(input: Tensor, output: Tensor, inplace: bool) -> Tensor:
    return input.copy_(output) if inplace else output


def _floating(input: Tensor) -> Tensor:
    return input if input.is_floating_point() else input.to(torch.get_default_dtype())
