"""Stochastic gradient descent, a parameter at a time."""

from torch import Tensor

from conceptlab.concepts.optimization.naive.pieces import refuse_scaled_gradients, scalar


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
        p.sub_(scalar(lr) * g)
