"""The function, on blocks."""

from torch import Tensor

from conceptlab.concepts.attention._arguments import arranged, is_empty, like_torchs, of_nothing
from conceptlab.concepts.attention.handmade.blocks import Attention


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
    output = Attention.call(*arguments.tensors, arguments.scale, arguments.rest, is_causal)[0]
    output = arguments.restored(output).to(value.dtype)
    return like_torchs(output, query, value, attn_mask, dropout_p)
