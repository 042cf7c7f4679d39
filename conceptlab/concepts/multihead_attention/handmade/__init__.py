"""Multi-head attention, all heads of all samples at once."""

from conceptlab.concepts.multihead_attention.handmade.heads import multi_head_attention_forward

__all__ = ["multi_head_attention_forward"]
