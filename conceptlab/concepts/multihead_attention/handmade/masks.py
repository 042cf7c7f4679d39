"""The two masks of multi-head attention, as one that is added to the scores."""

import math

import torch
from torch import Tensor

from conceptlab.concepts.multihead_attention.handmade.refusals import refuse_hint_alone, refuse_unfit_padding
from conceptlab.core import declare, warn

ops = declare("nn", "handmade")


def additive(
    key_padding_mask: Tensor | None, attn_mask: Tensor | None, is_causal: bool, dtype: torch.dtype
) -> tuple[Tensor | None, Tensor | None]:
    """Both masks as numbers: -∞ where one of booleans hides, and 0 elsewhere; the first with an axis for the batch."""
    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype != attn_mask.dtype:
        warn(
            "multi_head_attention_forward: Support for mismatched key_padding_mask and attn_mask is deprecated. Use "
            "same type for both instead.",
            stacklevel=4,
        )
    refuse_hint_alone(is_causal, attn_mask)
    padding, mask = (_as_numbers(each, dtype) for each in (key_padding_mask, attn_mask))
    return padding if padding is None or padding.dim() == 2 else padding.unsqueeze(0), mask


def for_scores(mask: Tensor | None, padding: Tensor | None, more: int, B: int, num_heads: int, S: int) -> Tensor | None:
    """One mask (L, S) or (B · N, 1 or L, S) of the two, in which the ``more`` keys at the end are not hidden."""
    if mask is not None:
        mask = ops.pad(mask, (0, more)) if more else mask
    if padding is None:
        return mask
    padding = ops.pad(padding, (0, more)) if more else padding
    refuse_unfit_padding(padding, B, S)
    padding = padding.view(B, 1, 1, S).expand(B, num_heads, 1, S).reshape(B * num_heads, 1, S)
    return padding if mask is None else mask + padding


def _as_numbers(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if mask is None or mask.is_floating_point():
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf)
