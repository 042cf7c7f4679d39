r"""softplus and logsigmoid, a ReLU without the kink and the same upside down, with their derivatives.

| function | slope | because |
|---|---|---|
| logsigmoid | $\sigma(-x)$ | $\sigma' / \sigma = 1 - \sigma$ |
| softplus | $\sigma(\beta x)$; 1 above the threshold | softplus is $-\log \sigma(-\beta x) / \beta$ |
"""

from torch import Tensor

from conceptlab.concepts.sigmoid.handmade.shared import real, times
from conceptlab.concepts.sigmoid.handmade.squashing import sigma
from conceptlab.core import ElementwiseRule, either, exp, indicator, mask, wide


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
        z = _scaled(x, beta)
        bent = mask(indicator(z, ">", threshold), unless=True)
        softly = exp(z).log1p_()
        return either(bent, softly if beta == 1 else softly.div_(beta), wide(x)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
        z = _scaled(x, beta)
        bent = mask(indicator(z, ">", threshold), unless=True)
        return times(v, either(bent, sigma(z), 1.0)).to(x.dtype)


def _scaled(x: Tensor, beta: float) -> Tensor:
    return wide(x) if beta == 1 else wide(x) * beta
