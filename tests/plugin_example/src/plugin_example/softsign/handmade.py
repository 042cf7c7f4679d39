r"""Softsign, with its derivative.

With $d = 1 + |x|$ and $d' = \operatorname{sign} x$, the quotient rule gives $y' = (d - x \operatorname{sign} x) / d^2$,
and since $x \operatorname{sign} x = |x| = d - 1$,

$$ y' = \frac{1}{(1 + |x|)^2} $$
"""

from torch import Tensor

from conceptlab.core import ElementwiseRule, require_real


def softsign(input: Tensor) -> Tensor:
    require_real("softsign", input)  # of complex numbers |x| has another derivative
    return _Softsign.call(input)


class _Softsign(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x / (1 + x.abs())

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        return v / (1 + x.abs()).square()
