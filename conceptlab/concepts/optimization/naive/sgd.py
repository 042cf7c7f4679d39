"""The optimizers as in the papers: a loop over the parameters, a formula a line."""

from typing import Any

import torch
from torch import Tensor


def sgd(
    params: list[Tensor],
    d_p_list: list[Tensor],
    momentum_buffer_list: list[Tensor | None],
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    *,
    weight_decay: float | Tensor,
    momentum: float,
    lr: float | Tensor,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    _refuse_scaled_gradients("sgd", grad_scale, found_inf)
    for i, (p, g) in enumerate(zip(params, d_p_list, strict=True)):
        if maximize:
            g = -g
        if weight_decay != 0:
            g = g + weight_decay * p.clone()  # a copy: p is about to change, and a derivative may need it as it was
        if momentum != 0:
            b = momentum_buffer_list[i]
            if b is None:
                b = momentum_buffer_list[i] = g.detach().clone()
            else:
                b.copy_(momentum * b + (1 - dampening) * g)
            g = g + momentum * b if nesterov else b
        p.sub_(_scalar(lr) * g)


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
    _refuse_scaled_gradients("adam", grad_scale, found_inf)
    _check_steps(params, state_steps, capturable)
    beta1, beta2, lr = (_scalar(x) for x in (beta1, beta2, lr))
    for i, step in enumerate(state_steps):
        step += 1
        t = step.to(torch.float64, copy=True)
        columns = [params, grads, exp_avgs, exp_avg_sqs, *([max_exp_avg_sqs] if amsgrad else [])]
        p, g, m_state, v_state, *largest = (_as_real(column[i]) for column in columns)
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


def _scalar(x: float | Tensor) -> float | Tensor:
    return x.reshape(()) if isinstance(x, Tensor) else x


def _as_real(x: Tensor) -> Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


def _check_steps(params: list[Tensor], state_steps: list[Tensor], capturable: bool) -> None:
    if not all(isinstance(step, Tensor) for step in state_steps):
        raise RuntimeError("adam: `state_steps` argument must contain a list of singleton tensors")
    if capturable and any(p.device.type in ("cpu", "meta") for p in params):
        raise AssertionError("adam: If capturable=True, params and state_steps must be on supported devices: cuda, xpu")


def _refuse_scaled_gradients(where: str, grad_scale: Tensor | None, found_inf: Tensor | None) -> None:
    if grad_scale is not None or found_inf is not None:
        raise NotImplementedError(f"{where}: Expected grad_scale and found_inf to be None; construct with fused=None")
