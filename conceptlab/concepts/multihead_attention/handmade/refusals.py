"""What does not fit together in a call of multi-head attention; the exceptions are of torch's types."""

from collections.abc import Sequence

import torch
from torch import Tensor

from conceptlab.core import message


def refuse_unfit_axes(
    query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None, num_heads: int
) -> None:
    """Of sequences and masks, the number of axes and the kind of numbers."""
    axes = query.dim()
    if axes not in (2, 3):
        raise _refusal(
            "query to be unbatched 2D or batched 3D",
            f"a {axes}-D query tensor",
            "Its axes are time, batch and features.",
        )
    if (key.dim(), value.dim()) != (axes, axes):
        raise _refusal(
            f"key and value to be {axes}-D, for a {axes}-D query",
            f"{key.dim()}-D and {value.dim()}-D tensors",
            "Have all three with or without a batch axis.",
        )
    if key_padding_mask is not None and key_padding_mask.dim() != axes - 1:
        raise _refusal(
            f"key_padding_mask to be None or {axes - 1}-D, for a {axes}-D query",
            f"a {key_padding_mask.dim()}-D tensor",
            "It has one number for each key: (B, S), or (S) without a batch.",
        )
    if attn_mask is not None and attn_mask.dim() not in (2, 3):
        raise _refusal(
            "attn_mask to be None, 2-D or 3-D",
            f"a {attn_mask.dim()}-D tensor",
            "Give (L, S), or (B · num_heads, L, S).",
        )
    if axes == 2 and attn_mask is not None and attn_mask.dim() == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if attn_mask.shape != expected:
            raise _refusal(
                f"attn_mask of shape {expected}", f"{tuple(attn_mask.shape)}", "Without a batch: (num_heads, L, S)."
            )
    for name, mask in (("key_padding_mask", key_padding_mask), ("attn_mask", attn_mask)):
        if mask is not None and mask.dtype is not torch.bool and not mask.is_floating_point():
            raise _refusal(
                f"only bool and floating types of {name}",
                f"{mask.dtype}",
                "True hides; numbers are added to the scores.",
            )


def refuse_unfit_sequences(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int, separate: bool
) -> None:
    """Widths, heads and lengths."""
    if query.shape[-1] != embed_dim:
        raise _refusal(
            f"embedding dimension of {embed_dim}",
            f"{query.shape[-1]}",
            "The last axis of query has embed_dim features.",
        )
    if query.shape[-1] % num_heads:
        raise _refusal(
            "embed_dim that is divisible by num_heads",
            f"embed_dim {embed_dim}, not divisible by num_heads {num_heads}",
            "Each head takes the same share of the features.",
        )
    if key.shape[:-1] != value.shape[:-1]:
        raise _refusal(
            f"key's sequence and batch dims {tuple(key.shape[:-1])} of value, too",
            f"{tuple(value.shape[:-1])}",
            "There is one value for each key.",
        )
    if not separate and key.shape != value.shape:
        raise _refusal(
            f"key shape {tuple(key.shape)} of value, too",
            f"value shape {tuple(value.shape)}",
            "There is one value for each key; for other widths use separate weights (kdim, vdim).",
        )


def refuse_unfit_mask(attn_mask: Tensor | None, L: int, S: int, heads: int) -> None:
    """A mask whose shape is not that of the scores."""
    if attn_mask is None:
        return
    expected = (L, S) if attn_mask.dim() == 2 else (heads, L, S)
    if attn_mask.shape != expected:
        raise _refusal(
            f"the shape of the {attn_mask.dim()}D attn_mask to be {expected}",
            f"{tuple(attn_mask.shape)}",
            "It has a number for each pair of query and key.",
            RuntimeError,
        )


def refuse_hint_alone(is_causal: bool, attn_mask: Tensor | None) -> None:
    """A hint about a mask that is not there."""
    if is_causal and attn_mask is None:
        raise _refusal(
            "attn_mask, if there is the is_causal hint",
            "attn_mask is None",
            "Transformer.generate_square_subsequent_mask makes it.",
            RuntimeError,
        )


def refuse_unfit_padding(key_padding_mask: Tensor, B: int, S: int) -> None:
    """A mask of keys that has not one number for each."""
    if key_padding_mask.shape != (B, S):
        raise _refusal(
            f"key_padding_mask.shape to be {(B, S)}, with the keys that were added",
            f"{tuple(key_padding_mask.shape)}",
            "It has one number for each key of each sample.",
        )


def given(name: str, weight: Tensor | None) -> Tensor:
    """A weight of the projections, which has to be there."""
    if weight is None:
        raise _refusal(
            f"a tensor {name}",
            f"{name} is None",
            "Give in_proj_weight; with use_separate_proj_weight all three of q_, k_ and v_proj_weight.",
        )
    return weight


def refuse_unfit_weights(
    sequences: tuple[Tensor, ...], weights: Sequence[Tensor], biases: Sequence[Tensor | None]
) -> None:
    """Separate weights that do not lead to ``embed_dim`` features."""
    D = sequences[0].shape[-1]
    for name, x, weight, bias in zip(("query", "key", "value"), sequences, weights, biases, strict=True):
        if weight.shape != (D, x.shape[-1]):
            raise _refusal(
                f"{name} weights shape of {(D, x.shape[-1])}",
                f"{tuple(weight.shape)}",
                "Rows are embed_dim features, columns those of the sequence.",
            )
        if bias is not None and bias.shape != (D,):
            raise _refusal(
                f"{name} bias shape of {(D,)}", f"{tuple(bias.shape)}", "in_proj_bias has 3 · embed_dim numbers."
            )


def refuse_unfit_keys(
    bias_k: Tensor | None, bias_v: Tensor | None, static: tuple[Tensor | None, Tensor | None], heads: int, d: int
) -> None:
    """Keys and values that are added, or that come from outside."""
    if (bias_k is None) != (bias_v is None):
        raise _refusal(
            "bias_k and bias_v, or neither", f"bias_{'v' if bias_k is None else 'k'} alone", "A key needs a value."
        )
    for name, given in zip(("static_k", "static_v"), static, strict=True):
        if given is None:
            continue
        if bias_k is not None:
            raise _refusal(
                f"no {name} where bias_k is added", "both", "A bias cannot be added to what is static: append it there."
            )
        for axis, size in ((0, heads), (2, d)):
            if given.shape[axis] != size:
                raise _refusal(
                    f"{name}.size({axis}) of {size}",
                    f"{given.shape[axis]}",
                    "Its shape is (B · num_heads, S, embed_dim / num_heads).",
                )


def _refusal(expected: str, received: str, remedy: str, kind: type[Exception] = AssertionError) -> Exception:
    return kind(message("multi_head_attention_forward", expected=expected, received=received, remedy=remedy))
