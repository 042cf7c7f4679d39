r"""Stochastic gradient descent.

**Why against the gradient.** To first order $L(\theta + d) = L(\theta) + g \cdot d$. Of all $d$ of one length, the one
that lowers this most is $-g$ times a number.

**Weight decay** adds $\tfrac{\lambda}{2} \lVert\theta\rVert^2$ to the loss, whose gradient is $\lambda\theta$.

**Momentum.** Unrolled, $b_t = \mu b_{t-1} + (1-\tau) g_t = \mu^{t-1} g_1 + (1 - \tau) \sum_{s=2}^{t} \mu^{t-s} g_s$: a
weighted sum of all gradients so far, in which one $k$ steps old weighs $\mu^k$. *Nesterov* takes the gradient's effect
on the buffer into account once more, $g_t + \mu b_t$. Either way

$$ \theta \leftarrow \theta - \gamma\, b_t, $$

which is the last line of each of the two functions below.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from conceptlab.concepts.optimization.handmade.pieces import (
    groups,
    in_float32,
    refuse_scaled_gradients,
    scalar,
    write_back,
)
from conceptlab.core import wide


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
    refuse_scaled_gradients("sgd", grad_scale, found_inf)
    if not params:
        return
    options: tuple[Any, ...] = (weight_decay, momentum, scalar(lr), dampening, nesterov, maximize)
    # One by one: what needs a derivative, a hyperparameter that is a tensor (its value stays on its device), and a
    # first step, which has to make the buffers.
    together = not (torch.is_grad_enabled() or isinstance(lr, Tensor) or isinstance(weight_decay, Tensor))
    if together and momentum == 0:
        _step_together(params, d_p_list, None, *options)
    elif together and all(buffer is not None for buffer in momentum_buffer_list):
        _step_together(params, d_p_list, cast("list[Tensor]", momentum_buffer_list), *options)
    else:
        for i, (param, grad) in enumerate(zip(params, d_p_list, strict=True)):
            buffer = momentum_buffer_list[i] if momentum != 0 else None
            buffer = _step_one(param, grad, buffer, *options)
            if momentum != 0:
                momentum_buffer_list[i] = buffer


def _step_together(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    buffers: Sequence[Tensor] | None,
    weight_decay: float,
    momentum: float,
    lr: float,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    columns = [params, grads] if buffers is None else [params, grads, buffers]
    one_pass = buffers is None and weight_decay == 0 and not maximize
    for group in [columns] if one_pass else groups(columns):
        p, g, *momenta = (in_float32(column) for column in group)
        if maximize:
            g = torch._foreach_neg(g)
        if weight_decay != 0:
            g = torch._foreach_add(g, p, alpha=weight_decay)
        if momenta:
            (b,) = momenta
            torch._foreach_mul_(b, momentum)
            torch._foreach_add_(b, g, alpha=1 - dampening)
            write_back(group[2], b)
            g = torch._foreach_add(g, b, alpha=momentum) if nesterov else b
        torch._foreach_add_(p, g, alpha=-lr)
        write_back(group[0], p)


def _step_one(
    param: Tensor,
    grad: Tensor,
    buffer: Tensor | None,
    weight_decay: float | Tensor,
    momentum: float,
    lr: float | Tensor,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> Tensor | None:
    """The same for one parameter, in operations that can be differentiated; returns the buffer."""
    p, g = in_float32([param, grad])
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + weight_decay * p.clone()  # a copy: p is about to change, and the derivative needs it as it was
    if momentum != 0:
        if buffer is None:
            b = g.detach()
            buffer = b.to(grad.dtype, copy=True)
        else:
            b = wide(buffer) * momentum + g * (1 - dampening)
            buffer.copy_(b)
        g = g + momentum * b if nesterov else b
    p = p.sub_(lr * g)
    write_back([param], [p])
    return buffer
