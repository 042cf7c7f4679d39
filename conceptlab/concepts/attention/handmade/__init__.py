"""Attention block by block over the keys, with its derivative made by hand."""

from conceptlab.concepts.attention.handmade.function import scaled_dot_product_attention

__all__ = ["scaled_dot_product_attention"]
