r"""Adagrad.

**Why the root of the sum.** Let $S_t = \sum_{s \le t} g_s^2$ for one parameter, $S_0 = 0$. Since
$S_t - S_{t-1} = (\sqrt{S_t} - \sqrt{S_{t-1}})(\sqrt{S_t} + \sqrt{S_{t-1}})$ and the last factor is at most
$2 \sqrt{S_t}$,

$$ \sum_{t=1}^{T} \frac{g_t^2}{\sqrt{S_t}} = \sum_{t=1}^{T} \frac{S_t - S_{t-1}}{\sqrt{S_t}}
   \le 2 \sum_{t=1}^{T} \left( \sqrt{S_t} - \sqrt{S_{t-1}} \right) = 2 \sqrt{S_T}. $$

Gradient descent that keeps within $D$ of the best $\theta$, with step sizes $\gamma / \sqrt{S_t}$, loses against it in
$T$ steps at most $\tfrac{D^2}{2\gamma} \sqrt{S_T}$ and $\tfrac{\gamma}{2}$ times that sum, together
$(\tfrac{D^2}{2\gamma} + \gamma) \sqrt{S_T}$. The best single step size, for which all gradients must be known
beforehand, gets $D \sqrt{S_T}$: no more than a factor is lost by not knowing them. A parameter whose gradients are rare
keeps large steps for them. With $\gamma_t = \gamma / (1 + (t - 1)\, \eta)$ the step is

$$ \theta \leftarrow \theta - \gamma_t\, \frac{g_t}{\sqrt{S_t} + \epsilon}. $$

**Sparse gradients.** Where $g_t = 0$, neither sum nor parameter changes. So of a sparse gradient only the entries that
it holds are looked up and written, each once: entries of one place are added first, since the square of a sum is asked.
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
from conceptlab.core import message


def adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state_sums: list[Tensor],
    state_steps: list[Tensor],
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float | Tensor,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    refuse_scaled_gradients("adagrad", grad_scale, found_inf)
    check_steps("adagrad", params, capturable=False, state_steps=state_steps)
    if not params:
        return
    is_sparse = [grad.is_sparse for grad in grads]
    if weight_decay != 0 and any(is_sparse):
        raise RuntimeError(
            message(
                "adagrad: weight_decay option is not compatible with sparse gradients",
                expected="dense gradients, since each step shrinks all parameters",
                received=f"weight_decay={weight_decay} and a sparse gradient",
                remedy="Construct the optimizer with weight_decay=0, or without sparse=True in the embedding.",
            )
        )
    torch._foreach_add_(state_steps, 1)
    numbers: list[Any] = [scalar(x) for x in (lr, weight_decay, lr_decay)]
    lr, weight_decay, lr_decay = numbers
    options = (weight_decay, eps, maximize)
    # One by one: what needs a derivative, a sparse gradient, numbers that are tensors (their values stay on their
    # device), and counts that lie on another device than a CPU.
    recorded = differentiable or torch.compiler.is_compiling() or any(isinstance(x, Tensor) for x in numbers)
    if recorded or any(is_sparse) or not all(step.is_cpu for step in state_steps):
        for param, grad, state_sum, step in zip(params, grads, state_sums, state_steps, strict=True):
            rate = lr / (1 + (step.to(torch.float64) - 1) * lr_decay)
            if grad.is_sparse:
                _step_sparse(param, grad.coalesce(), state_sum, rate=rate, options=options)
            else:
                _step_one(*(x for (x,) in as_real([[param], [grad], [state_sum]])), rate=rate, options=options)
        return
    # they are mostly the same for all parameters
    counts = torch.stack(state_steps).tolist() if lr_decay != 0 else [1.0] * len(params)
    columns = as_real([params, grads, state_sums])
    for t in dict.fromkeys(counts):
        of_t = [[x for x, count in zip(column, counts, strict=True) if count == t] for column in columns]
        for group in groups(of_t):
            _step_together(*group, rate=lr / (1 + (t - 1) * lr_decay), options=options)


def _step_together(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    state_sums: Sequence[Tensor],
    *,
    rate: float,
    options: tuple,
) -> None:
    weight_decay, eps, maximize = options
    p, g, s = (in_float32(column) for column in (params, grads, state_sums))
    if maximize:
        g = torch._foreach_neg(g)
    if weight_decay != 0:
        g = torch._foreach_add(g, p, alpha=weight_decay)
    torch._foreach_addcmul_(s, g, g)
    denominator = torch._foreach_sqrt(s)
    torch._foreach_add_(denominator, eps)
    torch._foreach_addcdiv_(p, g, denominator, value=-rate)
    write_back(params, p)
    write_back(state_sums, s)


def _step_one(param: Tensor, grad: Tensor, state_sum: Tensor, *, rate: Tensor, options: tuple) -> None:
    """The same for one parameter, in operations that can be differentiated."""
    weight_decay, eps, maximize = options
    # a copy: the original is about to change, and the derivative needs it as it was
    p, s = in_float32([param.clone(), state_sum])
    (g,) = in_float32([grad])
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + p * weight_decay
    s = s + g * g
    write_back([param, state_sum], [p - g / (torch.sqrt(s) + eps) * rate, s])


def _step_sparse(param: Tensor, grad: Tensor, state_sum: Tensor, *, rate: Tensor, options: tuple) -> None:
    """The same for the entries of a sparse gradient, which has none twice."""
    places = tuple(grad.indices())
    p, s = param[places], state_sum[places]
    _step_one(p, grad.values(), s, rate=rate, options=options)
    param.index_put_(places, p)
    state_sum.index_put_(places, s)
