r"""sigmoid, tanh and softsign, which squash all numbers between two limits, with their derivatives.

| function | slope | because |
|---|---|---|
| sigmoid | $(1 - y) \, y$ | $y = \sigma$ |
| tanh | $1 - y^2$ | $y = 2 \sigma(2x) - 1$, so $y' = 4 \sigma (1 - \sigma) = (1 + y)(1 - y)$ |
| softsign | $1 / d^2$ with $d = 1 + \lvert x \rvert$ | $y' = (d - x d') / d^2$, and $x d' = \lvert x \rvert$ |

In $\tanh = e / (e + 2)$ with $e = e^{2x} - 1$ an infinite exponential does harm, so that $x$ is limited to 25; from
20 on $\tanh$ is 1 in any precision. And $e$ comes from ``expm1``, since $e^{2x} - 1$ would cancel near 0.
"""

import torch
from torch import Tensor

from conceptlab.concepts.sigmoid.handmade.shared import real, times
from conceptlab.core import ElementwiseRule, exp, is_recorded, message, room, wide


def sigmoid(input: Tensor) -> Tensor:
    return _Sigmoid.call(_numbers("sigmoid", input))


def tanh(input: Tensor) -> Tensor:
    return _Tanh.call(_numbers("tanh", input))


def softsign(input: Tensor) -> Tensor:
    if input.dtype is torch.bool:
        raise NotImplementedError(
            message(
                "softsign not implemented for 'torch.bool'",
                expected="numbers",
                received="a boolean tensor",
                remedy="Convert it, with input.float().",
            )
        )
    return _Softsign.call(_numbers("softsign", input))


def sigma(x: Tensor) -> Tensor:
    """The sigmoid within a derivative: as a rule only where it may be differentiated again."""
    return _Sigmoid.call(x) if is_recorded() else _Sigmoid.forward(x)


class _Sigmoid(ElementwiseRule):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return exp(wide(x), -1).add_(1).reciprocal_().to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, y: Tensor) -> Tensor:
        w = wide(y)
        return times(v, times(w, 1 - w)).to(y.dtype)


class _Tanh(ElementwiseRule):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        e = wide(x).clamp(max=25).mul_(2).expm1_()
        return e.div_(e + 2).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, y: Tensor) -> Tensor:
        w = wide(y)
        return times(v, torch.addcmul(w.new_ones(()), w, w, value=-1)).to(y.dtype)


class _Softsign(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        d = z.abs().add_(1)
        return torch.div(z, d, out=room(d)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        d = wide(x).abs().add_(1)
        squared = torch.mul(d, d, out=room(d))
        return torch.div(v, squared, out=room(squared)).to(x.dtype)


def _numbers(where: str, input: Tensor) -> Tensor:
    """Integers as floating-point numbers."""
    if input.is_floating_point() or input.is_complex():
        return real(where, input)
    return input.to(torch.get_default_dtype())
