"""RMSprop, a parameter at a time."""

import torch
from torch import Tensor

from conceptlab.concepts.optimization.naive.pieces import as_real, check_steps, scalar


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
    for i, step in enumerate(state_steps):
        step += 1
        p, g, v_state = (as_real(column[i]) for column in (params, grads, square_avgs))
        if maximize:
            g = -g
        if weight_decay != 0:
            g = g + weight_decay * p.clone()
        v = alpha * v_state.clone() + (1 - alpha) * g * g
        v_state.copy_(v)
        if centered:
            m_state = as_real(grad_avgs[i])
            m = alpha * m_state.clone() + (1 - alpha) * g
            m_state.copy_(m)
            v = v - m * m
        d = g / (torch.sqrt(v) + eps)
        if momentum > 0:
            b_state = as_real(momentum_buffer_list[i])
            d = momentum * b_state.clone() + d
            b_state.copy_(d)
        p.sub_(scalar(lr) * d)
