r"""Attention as textbooks write it: all scores at once, with the derivative of each step.

With $Z$ the scores, $P$ their softmax along each row, $M$ the mask of dropout and $r = 1 / (1 - p)$,

$$ Z = s\, Q K^\top + b, \qquad P = \operatorname{softmax}(Z), \qquad W = r\, M \circ P, \qquad Y = W V $$

**Backward**, with $G = \partial L / \partial Y$. The product rule for $Y = W V$, and dropout, which is a factor:

$$ \frac{\partial L}{\partial V} = W^\top G, \qquad \frac{\partial L}{\partial P} = D = r\, M \circ (G V^\top) + G_P $$

$G_P$ comes from outside: $P$ is an output of the rule, too, because backward uses it. The softmax of a row has the
derivative $\partial P_j / \partial Z_i = P_j (\delta_{ij} - P_i)$, so that

$$ \frac{\partial L}{\partial Z_{ni}} = A_{ni} = P_{ni} \Bigl( D_{ni} - \sum_j P_{nj} D_{nj} \Bigr) $$

and the product rule for $Z$ gives

$$ \frac{\partial L}{\partial Q} = s\, A K, \qquad \frac{\partial L}{\partial K} = s\, A^\top Q, \qquad
   \frac{\partial L}{\partial b} = A $$

the last added up over the axes along which $b$ was repeated.

**Forward mode** takes them in the other direction: $\dot Z = s\, (\dot Q K^\top + Q \dot K^\top) + \dot b$,
then $\dot P_i = P_i (\dot Z_i - \sum_j P_j \dot Z_j)$ in each row, and $\dot Y = r\, (M \circ \dot P)\, V + W \dot V$.

$Z$, $P$ and $D$ have a number for each pair of a query and a key: $P$ is kept for the backward pass, and memory grows
with the square of the length. The tier ``handmade`` does without.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.attention._arguments import arranged, is_empty, like_torchs, of_nothing, scores
from conceptlab.core import Rule, exp, room, save, wide


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    arguments = arranged(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    if is_empty(query, value, arguments.lead):
        return of_nothing(query, key, value, arguments.lead)
    output = _Attention.call(*arguments.tensors, arguments.scale, arguments.rest, is_causal)[0]
    return like_torchs(arguments.restored(output), query, value, attn_mask, dropout_p)


class _Attention(Rule):
    """Outputs Y, in the values' dtype, and P (B, H, L, S), in float32 at least."""

    @staticmethod
    def forward(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        bias: Tensor | None,
        kept: Tensor | None,
        scale: float,
        rest: float,
        causal: bool,
    ) -> tuple[Tensor, Tensor]:
        z = scores(wide(q), wide(k), scale, bias, causal)
        p = _softmax(z)
        return (_dropped(p, kept, rest) @ wide(v)).to(v.dtype), p

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        q, k, v, bias, kept, ctx.scale, ctx.rest, _ = inputs
        save(ctx, q, k, v, kept, output[1])
        ctx.materialize_grads = False
        ctx.bias = None if bias is None else (bias.shape, bias.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, g_p: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, kept, p = ctx.saved_tensors
        needs_q, needs_k, needs_v, needs_bias, *_ = ctx.needs_input_grad
        g = torch.zeros_like(p[..., :1] * wide(v[..., :1, :])) if g is None else wide(g)
        grad_q = grad_k = grad_v = grad_bias = None
        if needs_v:
            grad_v = (_dropped(p, kept, ctx.rest).mT @ g).to(v.dtype)
        d = _dropped(g @ wide(v).mT, kept, ctx.rest)
        a = _times_jacobian(d if g_p is None else d + g_p, p)
        if needs_q:
            grad_q = (a @ wide(k) * ctx.scale).to(q.dtype)
        if needs_k:
            grad_k = (a.mT @ (wide(q) * ctx.scale)).to(k.dtype)
        if needs_bias:
            shape, dtype = ctx.bias
            grad_bias = a.sum_to_size(shape).to(dtype)
        return grad_q, grad_k, grad_v, grad_bias, None, None, None, None

    @staticmethod
    def jvp(
        ctx: Any, q_t: Tensor | None, k_t: Tensor | None, v_t: Tensor | None, bias_t: Tensor | None, *_: None
    ) -> tuple[Tensor, Tensor]:
        q, k, v, kept, p = ctx.saved_tensors
        z_t = torch.zeros_like(p)
        if q_t is not None:
            z_t = z_t + wide(q_t) * ctx.scale @ wide(k).mT
        if k_t is not None:
            z_t = z_t + wide(q) * ctx.scale @ wide(k_t).mT
        if bias_t is not None:
            z_t = z_t + bias_t
        p_t = _times_jacobian(z_t, p)
        y_t = _dropped(p_t, kept, ctx.rest) @ wide(v)
        if v_t is not None:
            y_t = y_t + _dropped(p, kept, ctx.rest) @ wide(v_t)
        return y_t.to(v.dtype), p_t


def _softmax(z: Tensor) -> Tensor:
    """Along each row; zeros where a row is nothing but -∞, as in torch: a query that no key is for."""
    # not below the lowest number, since -∞ less -∞ is no number
    largest = z.amax(-1, keepdim=True).clamp_min(torch.finfo(z.dtype).min)
    shifted = torch.sub(z, largest, out=room(z))
    e = exp(shifted, room=room(shifted))
    # at least 1, but for those zeros
    return torch.div(e, e.sum(-1, keepdim=True).clamp_min(torch.finfo(z.dtype).tiny), out=room(e))


def _times_jacobian(v: Tensor, p: Tensor) -> Tensor:
    return p * (v - (p * v).sum(-1, keepdim=True))


def _dropped(p: Tensor, kept: Tensor | None, rest: float) -> Tensor:
    return p if kept is None else p * kept * rest
