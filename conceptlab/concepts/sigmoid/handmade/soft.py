r"""softplus and logsigmoid, a ReLU without the kink and the same upside down, with their derivatives.

| function | slope | because |
|---|---|---|
| logsigmoid | $\sigma(-x)$ | $\sigma' / \sigma = 1 - \sigma$ |
| softplus | $\sigma(\beta x)$; 1 above the threshold | softplus is $-\log \sigma(-\beta x) / \beta$ |
"""

import torch
from torch import Tensor

from conceptlab.concepts.sigmoid.handmade.shared import real, times
from conceptlab.concepts.sigmoid.handmade.squashing import sigma
from conceptlab.core import ElementwiseRule, exp, indicator, keep, mask, others, room, wide


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    return _Softplus.call(real("softplus", input), beta, threshold)


def logsigmoid(input: Tensor) -> Tensor:
    return _LogSigmoid.call(real("logsigmoid", input))


class _LogSigmoid(ElementwiseRule):
    """min(x, 0) − log(1 + exp(−|x|))."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x).contiguous()  # as torch's result is, for channels-last inputs too
        return z.clamp(max=0).sub_(exp(z.abs(), -1).log1p_()).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        return times(v, sigma(-wide(x))).to(x.dtype)


class _Softplus(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor, beta: float, threshold: float) -> Tensor:
        z = wide(x) * beta
        linear = mask(indicator(z, ">", threshold))
        bent = exp(z).log1p_().div_(beta)
        return keep(bent, others(linear)).add_(keep(wide(x), linear)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
        z = wide(x) * beta
        bent = mask(indicator(z, ">", threshold), unless=True)
        # σ below the threshold, 1 above it
        below = keep(sigma(z), bent)
        return times(v, torch.add(below, indicator(z, ">", threshold), out=room(below))).to(x.dtype)
