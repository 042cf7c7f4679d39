"""Attention by its definition, a query at a time. The derivatives are left to autograd."""

import math

import torch
from torch import Tensor


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
    if any(tensor.is_nested for tensor in (query, key, value)):
        raise NotImplementedError("scaled_dot_product_attention: nested tensors are not supported; pad them.")
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}.")
    if is_causal and attn_mask is not None:
        raise RuntimeError("Explicit attn_mask should not be set when is_causal=True.")
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], dim=-3) for each in (key, value))
    if scale is None:
        scale = 1 / math.sqrt(max(query.shape[-1], 1))
    L, S = query.shape[-2], key.shape[-2]
    if L == 0 or S == 0:
        return (query @ key.mT) @ value  # no query: nothing; no key: zeros
    bias = _bias(query, key, attn_mask, is_causal)
    kept = _kept(query @ key.mT, dropout_p)
    rows = []
    for n in range(L):
        likeness = (query[..., n : n + 1, :] * key).sum(-1) * scale + bias[..., n, :]
        weights = _softmax(likeness) * kept[..., n, :]
        rows.append((weights.unsqueeze(-1) * value).sum(-2))
    return torch.stack(rows, dim=-2).to(query.dtype)


def _bias(query: Tensor, key: Tensor, attn_mask: Tensor | None, is_causal: bool) -> Tensor:
    """What is added to the scores: 0 or -∞, unless the mask says itself."""
    L, S = query.shape[-2], key.shape[-2]
    if is_causal:
        attn_mask = torch.ones(L, S, dtype=torch.bool, device=query.device).tril()
    if attn_mask is None:
        return query.new_zeros(L, S)
    if attn_mask.dtype is torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -math.inf)
    return attn_mask.expand(*attn_mask.shape[:-2], L, S)


def _softmax(z: Tensor) -> Tensor:
    largest = z.detach().amax(-1, keepdim=True)
    e = torch.exp(z - largest.masked_fill(largest == -math.inf, 0))
    total = e.sum(-1, keepdim=True)
    # 0 / 1 where all keys are hidden
    return e / total.masked_fill(total == 0, 1)


def _kept(like: Tensor, p: float) -> Tensor:
    """What the weights are multiplied by: 0, or 1 / (1 - p)."""
    if p == 0:
        return torch.ones_like(like)
    if p == 1:
        return torch.zeros_like(like)
    return torch.empty_like(like).bernoulli_(1 - p) / (1 - p)
