r"""hardsigmoid and hardswish, the sigmoid and the SiLU of straight lines, with their derivatives.

$$ h(x) = \frac{\min(\max(x + 3, 0), 6)}{6} \qquad
   h'(x) = \begin{cases} 1 / 6 & |x| < 3 \\ 0 & \text{else} \end{cases} $$

and hardswish is $y = x \, h(x)$, whose slope is, by the product rule,

$$ y' = h(x) + x \, h'(x) = \frac{1}{6} \left( \min(\max(x + 3, 0), 6) +
   \begin{cases} x & |x| < 3 \\ 0 & \text{else} \end{cases} \right) $$

NaN lies nowhere. hardsigmoid lets it through as a value and stops the gradient there, hardswish lets both through, as
torch does. And the 1/6 of hardsigmoid's slope is that of float32 in every precision, torch's own.
"""

import torch
from torch import Tensor

from conceptlab.concepts.sigmoid.handmade.shared import real, times
from conceptlab.core import ElementwiseRule, keep, limited, room, wide, within

_SIXTH = 0.1666666716337204  # 1 / 6 as float32 has it


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    # in place the input is overwritten, which the derivative needs: the rule gets a copy
    output = _HardSigmoid.call(real("hardsigmoid", input.clone() if inplace else input))
    return input.copy_(output) if inplace else output


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    output = _HardSwish.call(real("hardswish", input.clone() if inplace else input))
    return input.copy_(output) if inplace else output


class _HardSigmoid(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _opened(wide(x)).div_(6).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        inside = keep(wide(v), within(wide(x), 3))
        return torch.mul(inside, _SIXTH, out=room(inside)).to(x.dtype)


class _HardSwish(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        return _opened(z).mul_(z).div_(6).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        inside = keep(z, within(z, 3))
        slopes = torch.add(limited(z + 3, 6), inside, out=room(inside))
        return times(v, torch.div(slopes, 6, out=room(slopes))).to(x.dtype)


def _opened(z: Tensor) -> Tensor:
    """6 h(z)."""
    line = z + 3
    return torch.clamp(line, 0, 6, out=room(line))
