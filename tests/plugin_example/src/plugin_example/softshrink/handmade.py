r"""Softshrink, with its derivative.

With $|x|$ and the sign of $x$ its three pieces are one, $y = \operatorname{sign}(x) \max(|x| - \lambda, 0)$. In each
piece $\lambda$ is a constant beside $x$, or beside nothing, so that

$$ y' = \begin{cases} 0 & |x| \le \lambda \\ 1 & \text{else} \end{cases} $$

NaN is not $\le \lambda$, and its slope is 1, as torch has it.
"""

from torch import Tensor

from conceptlab.core import ElementwiseRule, indicator, message, others, require_floating, require_real, wide


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    require_floating("softshrink", input)
    require_real("softshrink", input)  # complex numbers have no sign
    if lambd < 0:
        raise RuntimeError(
            message(
                "softshrink: lambda must be greater or equal to 0",
                expected="lambd >= 0",
                received=f"{lambd}",
                remedy="It is how far numbers are moved towards 0.",
            )
        )
    return _Softshrink.call(input, lambd)


class _Softshrink(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor, lambd: float) -> Tensor:
        z = wide(x)
        return (z.abs() - lambd).clamp(min=0).copysign(z).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor, lambd: float) -> Tensor:
        small = indicator(wide(x).abs(), "<=", lambd)
        return (v * others(small)).to(x.dtype)
