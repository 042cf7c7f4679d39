"""Losses of numbers: of the difference."""

from torch import Tensor

from conceptlab.concepts.loss.naive.reduction import chosen, difference, reduced, weighted


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    losses = difference(input, target) ** 2
    return reduced(weighted(losses, input, weight), chosen(reduction, size_average, reduce), weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    losses = difference(input, target).abs()
    return reduced(weighted(losses, input, weight), chosen(reduction, size_average, reduce), weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, received {beta}.")
    d = difference(input, target)
    losses = _huber(d, beta) / beta if beta else d.abs()
    return reduced(losses, chosen(reduction, size_average, reduce))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, received {delta}.")
    d = difference(input, target)
    return reduced(weighted(_huber(d, delta), input, weight), chosen(reduction)).to(input.dtype)


def _huber(d: Tensor, delta: float) -> Tensor:
    # a parabola, d² / 2, as far as delta, where r = d; from there on a straight line, delta (|d| - delta / 2)
    r = d.clamp(-delta, delta)
    return r * (d - r / 2)
