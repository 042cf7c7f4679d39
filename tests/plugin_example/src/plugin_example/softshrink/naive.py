"""Softshrink, by its definition."""

from torch import Tensor


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, received {lambd}.")
    return (input - lambd * input.sign()).masked_fill(input.abs() <= lambd, 0)
