"""NAdam, a parameter at a time."""

import torch
from torch import Tensor

from conceptlab.concepts.optimization.naive.pieces import as_real, check_steps, scalar


def nadam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    mu_products: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    momentum_decay: float,
    eps: float,
) -> None:
    check_steps("nadam", params, capturable, mu_products=mu_products, state_steps=state_steps)
    beta1, beta2, lr = (scalar(x) for x in (beta1, beta2, lr))
    for i, step in enumerate(state_steps):
        step += 1
        t = step.to(torch.float64, copy=True)
        p, g, m_state, v_state = (as_real(column[i]) for column in (params, grads, exp_avgs, exp_avg_sqs))
        if maximize:
            g = -g
        if weight_decay != 0 and decoupled_weight_decay:
            p.mul_(1 - lr * weight_decay)
        elif weight_decay != 0:
            g = g + weight_decay * p.clone()
        mu = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)
        mu_next = beta1 * (1 - 0.96 ** ((t + 1) * momentum_decay) / 2)
        product = mu_products[i].clone() * mu
        mu_products[i].copy_(product)
        m = beta1 * m_state.clone() + (1 - beta1) * g
        v = beta2 * v_state.clone() + (1 - beta2) * g * g
        m_state.copy_(m)
        v_state.copy_(v)
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        v_hat = v / (1 - beta2**t)
        p.sub_(lr * m_hat / (torch.sqrt(v_hat) + eps))
