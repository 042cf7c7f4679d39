r"""Losses of numbers, with their derivatives.

All four are functions $\ell$ of the difference $d = x - t$. Since $\partial d / \partial x = 1$ and $\partial d /
\partial t = -1$, a slope $\ell'(d)$ is all there is to derive; difference and sum are torch's own.

| loss | $\ell(d)$ | $\ell'(d)$ |
|---|---|---|
| mse | $d^2$ | $2 d$ |
| l1 | $\|d\|$ | $\operatorname{sign} d$ |
| huber | $r (d - r / 2)$ | $r$ |

Huber's two cases are one with $r$, which is $d$ limited to $\pm\delta$: inside, $r = d$ gives $d^2 / 2$; outside, $r =
\pm\delta$ gives $\delta (|d| - \delta / 2)$. Its slope is $r$: inside, $d$; outside, $\pm\delta$. Smooth L1 is Huber
divided by $\beta = \delta$.
"""

import torch
from torch import Tensor

from conceptlab.concepts.loss.handmade.reduction import chosen, reduced
from conceptlab.core import ElementwiseRule, message, room, warn, wide


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    reduction, d = chosen(reduction, size_average, reduce), _difference("mse_loss", input, target)
    losses, total = _weighted(_Square.call(d), input, weight)
    return reduced(losses, reduction, total).to(torch.promote_types(input.dtype, target.dtype))


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    reduction, d = chosen(reduction, size_average, reduce), _difference("l1_loss", input, target)
    losses, total = _weighted(_Absolute.call(d), input, weight)
    return reduced(losses, reduction, total).to(torch.promote_types(input.dtype, target.dtype))


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    if beta < 0:
        raise RuntimeError(_wrong("smooth_l1_loss does not support negative values for beta", "beta >= 0", beta))
    reduction, d = chosen(reduction, size_average, reduce), _difference("smooth_l1_loss", input, target)
    loss = reduced(_Absolute.call(d) if beta == 0 else _Huber.call(d, beta), reduction)
    return (loss / beta if beta not in (0, 1) else loss).to(torch.promote_types(input.dtype, target.dtype))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    if delta <= 0:
        raise RuntimeError(_wrong("huber_loss does not support non-positive values for delta", "delta > 0", delta))
    reduction, d = chosen(reduction), _difference("huber_loss", input, target)
    # unlike the others, torch's huber_loss divides by the number of elements, whatever they weigh
    losses, _ = _weighted(_Huber.call(d, delta), input, weight)
    return reduced(losses, reduction).to(input.dtype)


class _Square(ElementwiseRule):
    @staticmethod
    def forward(d: Tensor) -> Tensor:
        return d * d

    @staticmethod
    def times_slope(v: Tensor, d: Tensor) -> Tensor:
        vd = v * d
        return torch.mul(
            vd, 2, out=room(vd)
        )  # not 2 v: after a sum v is one number, repeated, and would be written out


class _Absolute(ElementwiseRule):
    @staticmethod
    def forward(d: Tensor) -> Tensor:
        return d.abs()

    @staticmethod
    def times_slope(v: Tensor, d: Tensor) -> Tensor:
        return v * d.sign()


class _Huber(ElementwiseRule):
    @staticmethod
    def forward(d: Tensor, delta: float) -> Tensor:
        r = d.clamp(-delta, delta)
        return torch.sub(d, r, alpha=0.5).mul_(r)

    @staticmethod
    def times_slope(v: Tensor, d: Tensor, delta: float) -> Tensor:
        return v * d.clamp(-delta, delta)


def _difference(where: str, input: Tensor, target: Tensor) -> Tensor:
    if target.shape != input.shape:
        warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=4,  # past the function and the registry's wrapper, to the caller
        )
    x, t = (wide(each) for each in (input, target))
    difference = x - t
    if not difference.is_floating_point():
        raise NotImplementedError(_wrong(f"{where} not implemented", "real floating-point numbers", difference.dtype))
    return difference


def _weighted(losses: Tensor, input: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The losses by their weights, and the weights' sum."""
    if weight is None:
        return losses, None
    if weight.shape != input.shape:
        received = f"{tuple(weight.shape)} and {tuple(input.shape)}"
        raise ValueError(_wrong("weight", "Weights and input of the same size", received))
    weight = wide(weight)
    return losses * weight, weight.sum()


def _wrong(where: str, expected: str, received: object) -> str:
    return message(where, expected=expected, received=str(received), remedy="Change it to that.")
