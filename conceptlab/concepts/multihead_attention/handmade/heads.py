r"""Multi-head attention, all heads of all samples at once.

A head is a stretch of $d$ of the $D = N d$ features, so the projections of all heads are one matrix product, and to
divide its result among the heads costs nothing: (L, B, N · d) in memory is (L, B · N, d), and with its first two axes
exchanged these are the B · N matrices which a batched product takes. With $i = (b, h)$ for a head of a sample,

$$ A_i = \operatorname{softmax} Z_i, \quad Z_i = \frac{Q_i}{\sqrt d} K_i^\top + M_i, \qquad
   C_i = (m_i \odot A_i)\, V_i, \qquad y_b = [C_{b1}, \dots, C_{bN}]\, W^{O\top} + b^O $$

where $m_i$ is dropout's mask. Each step is a function whose derivative is known: linear, a product of matrices,
softmax, dropout. With the gradient $G_i = \partial L / \partial C_i$ that arrives from the last one,

$$ \frac{\partial L}{\partial V_i} = (m_i \odot A_i)^\top G_i, \qquad
   \frac{\partial L}{\partial A_i} = m_i \odot (G_i V_i^\top), \qquad
   \frac{\partial L}{\partial Q_i} = \frac{\partial L}{\partial Z_i} \frac{K_i}{\sqrt d}, \qquad
   \frac{\partial L}{\partial K_i} = \frac{\partial L}{\partial Z_i}^{\!\top} \frac{Q_i}{\sqrt d} $$

and from $A_i$ to $Z_i$ by softmax's own rule. autograd puts them together, so that there is no rule to write here.

Where nobody asks for the weights, the middle is ``scaled_dot_product_attention``, which need not keep them.
"""

import math

import torch
from torch import Tensor

from conceptlab.concepts.multihead_attention.handmade.masks import additive, for_scores
from conceptlab.concepts.multihead_attention.handmade.projections import projected
from conceptlab.concepts.multihead_attention.handmade.refusals import (
    refuse_unfit_axes,
    refuse_unfit_keys,
    refuse_unfit_mask,
    refuse_unfit_sequences,
)
from conceptlab.core import declare

ops = declare("nn", "handmade")


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    refuse_unfit_axes(query, key, value, key_padding_mask, attn_mask, num_heads)
    padding, mask = additive(key_padding_mask, attn_mask, is_causal, query.dtype)
    # where the hint is taken, attention itself hides what lies ahead, and the mask is not looked at
    is_causal = is_causal and padding is None and not need_weights
    mask = None if is_causal else mask
    refuse_unfit_sequences(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    q, k, v = projected(query, key, value, weights, in_proj_bias)
    (L, B, D), d = q.shape, q.shape[-1] // num_heads
    refuse_unfit_mask(mask, L, k.shape[0], B * num_heads)
    refuse_unfit_keys(bias_k, bias_v, (static_k, static_v), B * num_heads, d)
    q = _heads(q, B * num_heads, d)
    k = _heads(_with_row(k, bias_k), B * num_heads, d) if static_k is None else static_k
    v = _heads(_with_row(v, bias_v), B * num_heads, d) if static_v is None else static_v
    if add_zero_attn:
        k, v = (torch.cat([x, x.new_zeros(x.shape[0], 1, x.shape[2])], dim=1) for x in (k, v))
    mask = for_scores(mask, padding, (bias_k is not None) + add_zero_attn, B, num_heads, k.shape[1])
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        context, shares = _attended(q, k, v, mask, dropout_p)
    else:
        context, shares = _attended_at_once(q, k, v, mask, dropout_p, is_causal, num_heads), None
    output = ops.linear(context.reshape(L, B, D), out_proj_weight, out_proj_bias)
    if shares is not None:
        shares = shares.view(B, num_heads, L, k.shape[1])
        shares = shares.mean(dim=1) if average_attn_weights else shares
    if query.dim() == 3:
        return output, shares
    return output.squeeze(1), None if shares is None else shares.squeeze(0)


def _heads(x: Tensor, count: int, d: int) -> Tensor:
    """(B · N, T, d) from (T, B, N · d)."""
    return x.reshape(x.shape[0], count, d).transpose(0, 1)


def _with_row(x: Tensor, row: Tensor | None) -> Tensor:
    """Keys or values (S, B, D), and at the end one more, which is learned and the same for all samples."""
    return x if row is None else torch.cat([x, row.expand(1, *x.shape[1:])])


def _attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float) -> tuple[Tensor, Tensor]:
    """What each query brings home, (L, B · N, d), and the shares in which it looked at the keys, (B · N, L, S)."""
    q = q * (1 / math.sqrt(q.shape[-1]))
    scores = q @ k.mT if mask is None else torch.baddbmm(mask, q, k.mT)
    shares = ops.softmax(scores, dim=-1)
    if dropout_p > 0.0:
        shares = ops.dropout(shares, dropout_p)
    return (shares @ v).transpose(0, 1), shares


def _attended_at_once(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, N: int
) -> Tensor:
    """The same without the shares; the heads have an axis of their own, (L, B, N, d)."""
    B = q.shape[0] // N
    q, k, v = (x.view(B, N, *x.shape[1:]) for x in (q, k, v))
    if mask is not None and mask.dim() == 3:
        mask = mask.view(B, N, *mask.shape[1:])
    return ops.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal).permute(2, 0, 1, 3)
