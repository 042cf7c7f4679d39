r"""elu, selu and celu, with their derivatives.

All three are a straight line on the positive side, and bend towards a depth $-d$ on the other:

$$ f(x) = \begin{cases} s x & x > 0 \\ d \, (e^{r x} - 1) & \text{else} \end{cases} \qquad
   f'(x) = \begin{cases} s & x > 0 \\ h \, e^{r x} & \text{else} \end{cases} \qquad h = d \, r $$

| function | $d$ | $r$ | $h$ | $s$ |
|---|---|---|---|---|
| elu | $\alpha$ | 1 | $\alpha$ | 1 |
| selu | $\lambda \alpha$ | 1 | $\lambda \alpha$ | $\lambda$ |
| celu | $\alpha$ | $1 / \alpha$ | 1 | 1 |

CELU is the one whose slope has no jump at 0, whatever its $\alpha$: $h = s = 1$. Then $e^0$ is the slope of the
positive side, too, and nothing need be chosen. Where it must be, $e^{r x}$ must not overflow on the side that is not
taken, or a second derivative would be $0 \cdot \infty$ = NaN there: it is $e^{-r |x|}$.
"""

import torch
from torch import Tensor

from conceptlab.core import (
    ElementwiseRule,
    either,
    exp,
    indicator,
    keep,
    mask,
    message,
    negative,
    require_floating,
    require_real,
    room,
    wide,
)

# Klambauer et al., 2017, equation 14
_ALPHA = 1.6732632423543772848170429916717
_SCALE = 1.0507009873554804934193349852946


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    return _bend("elu", input, inplace, depth=alpha, rate=1.0, height=alpha, scale=1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    depth = _ALPHA * _SCALE
    return _bend("selu", input, inplace, depth=depth, rate=1.0, height=depth, scale=_SCALE)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    if alpha == 0:
        raise RuntimeError(
            message(
                "celu: ZeroDivisionError: alpha cannot be 0 for CELU",
                expected="another number than 0, by which the input is divided",
                received=f"alpha={alpha}",
                remedy="relu is what CELU comes near to for a small alpha.",
            )
        )
    return _bend("celu", input, inplace, depth=alpha, rate=1 / alpha, height=1.0, scale=1.0)


def _bend(
    where: str, input: Tensor, inplace: bool, *, depth: float, rate: float, height: float, scale: float
) -> Tensor:
    require_floating(where, input)
    require_real(where, input)
    # in place the input is overwritten, which the derivative needs: the rule gets a copy
    output = _ELU.call(input.clone() if inplace else input, depth, rate, height, scale)
    return input.copy_(output) if inplace else output


class _ELU(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor, depth: float, rate: float, height: float, scale: float) -> Tensor:
        z = wide(x)
        bent = torch.expm1(z if rate == 1 else z * rate)
        return either(negative(z), bent if depth == 1 else bent.mul_(depth), z, times=scale).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor, depth: float, rate: float, height: float, scale: float) -> Tensor:
        z = wide(x)
        if height == scale == 1:
            bent = keep(z, negative(z))
            slopes = exp(bent, rate, room=room(bent))
        else:
            magnitude = z.abs()
            bent = exp(magnitude, -rate, room=room(magnitude))
            slopes = either(mask(indicator(z, "<=", 0)), torch.mul(bent, height, out=room(bent)), scale)
        return torch.mul(v, slopes, out=room(slopes)).to(x.dtype)
