"""Adam and AdamW, a parameter at a time."""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.optimization.naive.pieces import as_real, check_steps, refuse_scaled_gradients, scalar


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
    beta1, beta2, lr = (scalar(x) for x in (beta1, beta2, lr))
    for i, step in enumerate(state_steps):
        step += 1
        t = step.to(torch.float64, copy=True)
        columns = [params, grads, exp_avgs, exp_avg_sqs, *([max_exp_avg_sqs] if amsgrad else [])]
        p, g, m_state, v_state, *largest = (as_real(column[i]) for column in columns)
        if maximize:
            g = -g
        if weight_decay != 0 and decoupled_weight_decay:
            p.mul_(1 - lr * weight_decay)
        elif weight_decay != 0:
            g = g + weight_decay * p.clone()
        m = beta1 * m_state.clone() + (1 - beta1) * g
        v = beta2 * v_state.clone() + (1 - beta2) * g * g
        m_state.copy_(m)
        v_state.copy_(v)
        if amsgrad:
            v = torch.maximum(largest[0].clone(), v)
            largest[0].copy_(v)
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p.sub_(lr * m_hat / (torch.sqrt(v_hat) + eps))


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
