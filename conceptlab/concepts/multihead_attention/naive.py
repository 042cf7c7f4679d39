"""Multi-head attention, head by head."""

import math
import warnings

import torch
from torch import Tensor

from conceptlab.core import declare

ops = declare("nn", "naive")


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
    is_batched = query.dim() == 3
    if not is_batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    L, B, D = query.shape
    if embed_dim_to_check != D or D % num_heads != 0:
        raise AssertionError(
            f"expected embed_dim {embed_dim_to_check}, divisible by num_heads {num_heads}, received {D}"
        )
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight.chunk(3)
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    q, k, v = (ops.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    if bias_k is not None and bias_v is not None:
        k, v = torch.cat([k, bias_k.expand(1, B, D)]), torch.cat([v, bias_v.expand(1, B, D)])
    queries, keys, values = (_heads(x, num_heads) for x in (q, k, v))
    keys = keys if static_k is None else list(static_k.unflatten(0, (B, num_heads)).unbind(1))
    values = values if static_v is None else list(static_v.unflatten(0, (B, num_heads)).unbind(1))
    if add_zero_attn:
        keys, values = ([torch.cat([x, torch.zeros_like(x[:, :1])], 1) for x in each] for each in (keys, values))
    if is_causal and key_padding_mask is None and not need_weights:
        # the hint is taken: what lies ahead is hidden, of the keys that were added, too
        attn_mask = torch.ones(L, keys[0].shape[1], dtype=torch.bool).triu(1)
    masks = _masks(attn_mask, key_padding_mask, B, num_heads, queries[0].dtype)
    shares = [_shares(Q, K, M, nothing_is_zero=not need_weights) for Q, K, M in zip(queries, keys, masks, strict=True)]
    # one draw for all heads, as torch draws
    kept = ops.dropout(torch.stack(shares, dim=1), dropout_p, training)  # (B, N, L, S)
    found = [kept[:, head] @ values[head] for head in range(num_heads)]
    output = ops.linear(torch.cat(found, dim=-1).transpose(0, 1).contiguous(), out_proj_weight, out_proj_bias)
    kept = kept.mean(dim=1) if average_attn_weights else kept
    if not is_batched:
        output, kept = output.squeeze(1), kept.squeeze(0)
    return output, kept if need_weights else None


def _heads(x: Tensor, num_heads: int) -> list[Tensor]:
    """For each head a stretch of the features, (B, T, d), of (T, B, N · d)."""
    return list(x.transpose(0, 1).chunk(num_heads, dim=-1))


def _masks(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, B: int, num_heads: int, dtype: torch.dtype
) -> list[list[Tensor]]:
    """For each head what is added to its scores, (B or 1, L or 1, S); True hides."""
    if attn_mask is not None and key_padding_mask is not None and attn_mask.dtype != key_padding_mask.dtype:
        warnings.warn("Support for mismatched key_padding_mask and attn_mask is deprecated.", stacklevel=3)
    found: list[list[Tensor]] = [[] for _ in range(num_heads)]
    for head in range(num_heads):
        if attn_mask is not None:
            of_head = attn_mask if attn_mask.dim() == 2 else attn_mask.unflatten(0, (B, num_heads))[:, head]
            found[head].append(of_head)
        if key_padding_mask is not None:
            found[head].append(key_padding_mask.unsqueeze(1))
    hidden = torch.full((), -math.inf, dtype=dtype)
    return [[torch.where(mask, hidden, 0) if mask.dtype is torch.bool else mask for mask in each] for each in found]


def _shares(Q: Tensor, K: Tensor, masks: list[Tensor], nothing_is_zero: bool) -> Tensor:
    """How much each query looks at each key. Where all are hidden the softmax is NaN, or 0 if that is asked for."""
    scores = Q @ K.mT / math.sqrt(Q.shape[-1])  # (B, L, S)
    for mask in masks:
        # keys that were added at the end are not hidden
        scores = scores + ops.pad(mask, (0, K.shape[1] - mask.shape[-1]))
    if not nothing_is_zero:
        return ops.softmax(scores, dim=-1)
    nothing = (scores == -math.inf).all(dim=-1, keepdim=True)
    return ops.softmax(scores.masked_fill(nothing, 0), dim=-1).masked_fill(nothing, 0)
