"""Softsign, by its definition."""

from torch import Tensor


def softsign(input: Tensor) -> Tensor:
    return input / (1 + input.abs())
