"""Sigmoid and its kin, each by its definition, through exponentials of negative numbers. Autograd does the rest."""

import math

import torch
from torch import Tensor


def sigmoid(input: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-_floating(input).clamp(min=_lowest(input))))


def tanh(input: Tensor) -> Tensor:
    # (e² − 1) / (e² + 1) with e² = exp(2x); expm1 is exp − 1 without cancellation near 0. From 20 on, tanh is ±1.
    less_one = torch.expm1(2 * _floating(input).clamp(-20, 20))
    return less_one / (less_one + 2)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    linear = input * beta > threshold
    z = (input * beta).masked_fill(linear, 0)  # not to overflow in the branch that is not taken
    return torch.where(linear, input, torch.log1p(torch.exp(z)) / beta)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    output = input * sigmoid(input)
    return input.copy_(output) if inplace else output


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


def _floating(input: Tensor) -> Tensor:
    return input if input.is_floating_point() else input.to(torch.get_default_dtype())


def _lowest(input: Tensor) -> float:
    """Below it the exponential of −x is infinite, and with it autograd's derivative 0 · ∞."""
    return -700 if input.dtype is torch.float64 else -80
