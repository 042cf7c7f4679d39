r"""RMSprop.

**What is divided by.** Unrolled, $v_t = (1 - \alpha) \sum_{s=1}^{t} \alpha^{t-s} g_s^2$, a mean of the squares of the
last $1 / (1 - \alpha)$ gradients or so, and $\sqrt{v_t}$ their root mean square. *Centered* divides by their standard
deviation, $\operatorname{Var} g = \mathrm E[g^2] - (\mathrm E[g])^2 \approx v_t - m_t^2$.

**The first steps.** The weights add up to $1 - \alpha^t$, not to 1, and unlike Adam nobody corrects that: at the first
step $v = (1 - \alpha)\, g^2$, and each parameter moves by $\gamma / \sqrt{1 - \alpha}$, ten times $\gamma$ for the
default.

**Momentum** acts on what is divided already, $b_t = \sum_{s} \mu^{t-s} g_s / (\sqrt{v_s} + \epsilon)$, so that each
gradient counts by the size that gradients had in its time. Either way

$$ \theta \leftarrow \theta - \gamma\, b_t, \qquad \text{without momentum} \quad
   \theta \leftarrow \theta - \gamma\, \frac{g_t}{\sqrt{v_t} + \epsilon}. $$
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from conceptlab.concepts.optimization.handmade.pieces import (
    as_real,
    check_steps,
    groups,
    in_float32,
    scalar,
    write_back,
)


def rmsprop(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    grad_avgs: list[Tensor],
    momentum_buffer_list: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lr: float | Tensor,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    check_steps("rmsprop", params, capturable, state_steps=state_steps)
    if not params:
        return
    torch._foreach_add_(state_steps, 1)
    numbers = [scalar(x) for x in (lr, weight_decay)]
    options = (*numbers, alpha, eps, momentum, centered, maximize)
    states = [square_avgs, *([grad_avgs] if centered else []), *([momentum_buffer_list] if momentum > 0 else [])]
    columns = as_real([params, grads, *states])
    # one by one: what needs a derivative, and hyperparameters that are tensors, whose values stay on their device
    if differentiable or any(isinstance(x, Tensor) for x in numbers):
        for row in zip(*columns, strict=True):
            _step_one(*row, options=options)
    else:
        for group in groups(columns):
            _step_together(*group, options=options)


def _step_together(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    square_avgs: Sequence[Tensor],
    *averages: Sequence[Tensor],
    options: tuple,
) -> None:
    lr, weight_decay, alpha, eps, momentum, centered, maximize = options
    states = (params, square_avgs, *averages)
    p, v, *others = results = [in_float32(column) for column in states]
    g = in_float32(grads)
    if maximize:
        g = torch._foreach_neg(g)
    if weight_decay != 0:
        g = torch._foreach_add(g, p, alpha=weight_decay)
    torch._foreach_mul_(v, alpha)
    torch._foreach_addcmul_(v, g, g, value=1 - alpha)
    if centered:
        torch._foreach_lerp_(others[0], g, 1 - alpha)
        denominator = torch._foreach_addcmul(v, others[0], others[0], value=-1)
        torch._foreach_sqrt_(denominator)
    else:
        denominator = torch._foreach_sqrt(v)
    torch._foreach_add_(denominator, eps)
    if momentum > 0:
        torch._foreach_mul_(others[-1], momentum)
        torch._foreach_addcdiv_(others[-1], g, denominator)
        torch._foreach_add_(p, others[-1], alpha=-lr)
    else:
        torch._foreach_addcdiv_(p, g, denominator, value=-lr)
    for originals, computed in zip(states, results, strict=True):
        write_back(originals, computed)


def _step_one(param: Tensor, grad: Tensor, square_avg: Tensor, *averages: Tensor, options: tuple) -> None:
    """The same for one parameter, in operations that can be differentiated."""
    lr, weight_decay, alpha, eps, momentum, centered, maximize = options
    states = (param, square_avg, *averages)
    # copies: the originals are about to change, and the derivative needs them as they were
    p, v, *others = in_float32([x.clone() for x in states])
    (g,) = in_float32([grad])
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    v = v * alpha + g * g * (1 - alpha)
    variance = v
    if centered:
        others[0] = torch.lerp(others[0], g, 1 - alpha)
        variance = v - others[0] * others[0]
    step = g / (torch.sqrt(variance) + eps)
    if momentum > 0:
        step = others[-1] = others[-1] * momentum + step
    write_back(states, (p - step * lr, v, *others))
