"""Adagrad, a parameter at a time; of a sparse gradient, an entry at a time."""

import torch
from torch import Tensor

from conceptlab.concepts.optimization.naive.pieces import as_real, check_steps, refuse_scaled_gradients, scalar


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
    for p, g, s, step in zip(params, grads, state_sums, state_steps, strict=True):
        step += 1
        rate = scalar(lr) / (1 + (step.to(torch.float64, copy=True) - 1) * lr_decay)
        if maximize:
            g = -g
        if weight_decay != 0 and g.is_sparse:
            raise RuntimeError("adagrad: weight_decay option is not compatible with sparse gradients")
        if weight_decay != 0:
            g = g + weight_decay * p.clone()
        if not g.is_sparse:
            _move(as_real(p), as_real(g), as_real(s), rate, eps)
            continue
        g = g.coalesce()  # each entry once: its square is that of the sum
        for place, value in zip(g.indices().t().tolist(), g.values(), strict=True):
            _move(p[tuple(place)], value, s[tuple(place)], rate, eps)


def _move(p: Tensor, g: Tensor, s_state: Tensor, rate: Tensor, eps: float) -> None:
    s = s_state.clone() + g * g
    s_state.copy_(s)
    p.sub_(rate * g / (torch.sqrt(s) + eps))
