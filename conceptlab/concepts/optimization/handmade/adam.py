r"""Adam and AdamW.

**Bias.** The averages start at 0. Unrolled, $m_t = (1 - \beta_1) \sum_{s=1}^{t} \beta_1^{t-s} g_s$, in which the
weights add up to $(1 - \beta_1) \frac{1 - \beta_1^t}{1 - \beta_1} = 1 - \beta_1^t$, not to 1. If the gradients have
one expectation, $\mathrm E[m_t] = (1 - \beta_1^t)\, \mathrm E[g]$; likewise
$\mathrm E[v_t] = (1 - \beta_2^t)\, \mathrm E[g^2]$. So with $c_1 = 1 - \beta_1^t$ and $c_2 = 1 - \beta_2^t$ the step is

$$ \gamma \frac{m / c_1}{\sqrt{v / c_2} + \epsilon}
   = \underbrace{\gamma\, \frac{\sqrt{c_2}}{c_1}}_{\text{one number}} \cdot
     \frac{m}{\sqrt v + \underbrace{\epsilon \sqrt{c_2}}_{\text{one number}}}, $$

the right side being the left one with numerator and denominator multiplied by $\sqrt{c_2}$: one pass less over the
parameters, since the corrections act on numbers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.optimization.handmade.pieces import (
    as_real,
    check_steps,
    groups,
    in_float32,
    refuse_scaled_gradients,
    scalar,
    write_back,
)


def adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: bool,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    refuse_scaled_gradients("adam", grad_scale, found_inf)
    check_steps("adam", params, capturable, state_steps=state_steps)
    numbers = [scalar(x) for x in (beta1, beta2, lr, weight_decay)]
    options = (*numbers, eps, maximize, decoupled_weight_decay)
    columns = as_real([params, grads, exp_avgs, exp_avg_sqs, *([max_exp_avg_sqs] if amsgrad else [])])
    if not params:
        return
    torch._foreach_add_(state_steps, 1)
    # One by one, with the step count as a tensor: what needs a derivative or is recorded for later steps, and
    # hyperparameters that are tensors, whose values stay on their device.
    recorded = capturable or differentiable or torch.compiler.is_compiling()
    if recorded or any(isinstance(x, Tensor) for x in numbers) or not all(step.is_cpu for step in state_steps):
        for row, step in zip(zip(*columns, strict=True), state_steps, strict=True):
            _step_one(*row, t=step.to(torch.float64, copy=True), options=options)
        return
    # The counts lie on the CPU: reading them waits for no device. They are mostly the same for all parameters.
    counts = torch.stack(state_steps).tolist()
    for t in dict.fromkeys(counts):
        of_t = [[x for x, count in zip(column, counts, strict=True) if count == t] for column in columns]
        for group in groups(of_t):
            _step_together(*group, t=t, options=options)


def adamw(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    *,
    amsgrad: bool,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    lists = (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps)
    flags: Any = (foreach, capturable, differentiable, fused, grad_scale, found_inf, has_complex)
    numbers: dict[str, Any] = {"beta1": beta1, "beta2": beta2, "lr": lr, "weight_decay": weight_decay, "eps": eps}
    adam(*lists, *flags, decoupled_weight_decay=True, amsgrad=amsgrad, maximize=maximize, **numbers)


def _step_together(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    exp_avgs: Sequence[Tensor],
    exp_avg_sqs: Sequence[Tensor],
    *max_exp_avg_sqs: Sequence[Tensor],
    t: float,
    options: tuple,
) -> None:
    beta1, beta2, lr, weight_decay, eps, maximize, decoupled_weight_decay = options
    states = (params, exp_avgs, exp_avg_sqs, *max_exp_avg_sqs)
    p, m, v, *largest = results = [in_float32(column) for column in states]
    g = in_float32(grads)
    if maximize:
        g = torch._foreach_neg(g)
    if weight_decay != 0 and decoupled_weight_decay:
        torch._foreach_mul_(p, 1 - lr * weight_decay)
    elif weight_decay != 0:
        g = torch._foreach_add(g, p, alpha=weight_decay)
    torch._foreach_lerp_(m, g, 1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, value=1 - beta2)
    if largest:
        (highest,) = largest
        torch._foreach_maximum_(highest, v)
        v = highest
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    denominator = torch._foreach_sqrt(v)
    torch._foreach_add_(denominator, eps * c2**0.5)
    torch._foreach_addcdiv_(p, m, denominator, value=-lr * c2**0.5 / c1)
    for originals, computed in zip(states, results, strict=True):
        write_back(originals, computed)


def _step_one(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    *max_exp_avg_sq: Tensor,
    t: Tensor,
    options: tuple,
) -> None:
    """The same for one parameter, in operations that can be differentiated, with the step count ``t`` as a tensor."""
    beta1, beta2, lr, weight_decay, eps, maximize, decoupled_weight_decay = options
    states = (param, exp_avg, exp_avg_sq, *max_exp_avg_sq)
    # copies: the originals are about to change, and the derivative needs them as they were
    p, m, v, *largest = in_float32([x.clone() for x in states])
    (g,) = in_float32([grad])
    if maximize:
        g = -g
    if weight_decay != 0 and decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    elif weight_decay != 0:
        g = g + p * weight_decay
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    largest = [torch.maximum(x, v) for x in largest]
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    denominator = torch.sqrt(largest[0] if largest else v) + eps * torch.sqrt(c2)
    p = p - m / denominator * (lr * torch.sqrt(c2) / c1)
    write_back(states, (p, m, v, *largest))
