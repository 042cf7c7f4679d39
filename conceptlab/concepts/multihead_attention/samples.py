"""Inputs for multi-head attention that PyTorch's own samples lack, and calls whose speed is measured."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

# all different, and no multiples
L, S, B, D, N = 4, 5, 3, 6, 2
AHEAD = torch.ones(L, S, dtype=torch.bool).triu(1)
PADDING = torch.arange(S) >= torch.tensor([[S], [S - 2], [S - 1]])
SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Both masks in every form, with the weights and without; keys that are added, or come from outside; no batch."""
    if part != "multi_head_attention_forward":
        return

    def x(*shape: int) -> Tensor:
        # so small that the softmax is far from 0 and 1, where derivatives cancel to nothing
        return torch.randn(shape, dtype=dtype).mul_(0.4).requires_grad_()

    of_heads, of_keys = x(B * N, L, S), x(B, S)
    masks: dict[str, dict[str, Any]] = {
        "booleans": {"attn_mask": AHEAD, "key_padding_mask": PADDING},
        "numbers": {"attn_mask": of_heads, "key_padding_mask": of_keys, "average_attn_weights": False},
        "padding, evaluation": {"key_padding_mask": PADDING, "training": False},
        "booleans for each head": {"attn_mask": AHEAD.expand(B * N, L, S)},
        "both kinds": {"attn_mask": of_heads[0], "key_padding_mask": PADDING, "is_causal": True},
        "causal": {"attn_mask": AHEAD, "is_causal": True},
    }
    for asked in (True, False):
        asks = {"need_weights": asked}
        what = "weights" if asked else "no weights"
        for name, given in masks.items():
            yield Sample(f"{name}, {what}", _arguments(x), {**asks, **given})
        yield Sample(f"half is dropped, {what}", _arguments(x, dropout_p=0.5), asks)
        for name in ("booleans", "causal"):
            more = _arguments(x, bias_k=x(1, 1, D), bias_v=x(1, 1, D), add_zero_attn=True)
            yield Sample(f"more keys, {name}, {what}", more, {**asks, **masks[name]})
        # torch's fused attention answers a query that is NaN with 0, where there is no mask
        told = "" if asked else "torch's attention without a mask gives 0 for NaN"
        yield Sample(f"more keys, {what}", _arguments(x, add_zero_attn=True), asks, finite_only=told)
        alone = {"attn_mask": of_heads[:N], "key_padding_mask": of_keys[0], "average_attn_weights": False}
        yield Sample(f"no batch, {what}", _arguments(x, batch=()), {**asks, **alone})
        yield Sample(f"empty batch, {what}", _arguments(x, batch=(0,)), asks)
        static = {"static_k": x(B * N, S + 2, D // N), "static_v": x(B * N, S + 2, D // N)}
        yield Sample(f"static, {what}", _arguments(x, add_zero_attn=True), {**asks, **static})
        blind = {"attn_mask": (torch.arange(L) == 0).unsqueeze(1).expand(L, S)}
        yield Sample(f"all keys hidden, {what}", _arguments(x), {**asks, **blind}, smooth=not asked)
    weights = dict(zip(SEPARATE, (x(D, D), x(D, 3), x(D, 5)), strict=True))
    for bias, end in ((True, ""), (False, ", no biases")):
        arguments = _arguments(x, widths=(3, 5), is_packed=False, has_bias=bias)
        yield Sample(f"separate weights{end}", arguments, {"use_separate_proj_weight": True, **weights})
    yield Sample("no biases", _arguments(x, has_bias=False))
    yield Sample("a batch of one", _arguments(x, batch=(1,)))
    yield Sample("no batch, no mask", _arguments(x, batch=()))
    yield Sample("no batch, one mask for all heads", _arguments(x, batch=()), {"attn_mask": AHEAD})
    # sequences that are one tensor have one product of matrices
    _, _, _, *rest = _arguments(x)
    one, other = x(S, B, D), x(S, B, D)
    for name, sequences in {
        "one sequence": (one, one, one),
        "keys that are the values": (other, one, one),
        "keys that are the queries": (one, one, other),
        "values that are the queries": (one, other, one),
    }.items():
        yield Sample(name, (*sequences, *rest))
    yield Sample("one sequence, no batch", (*[x(S, D)] * 3, *rest))


def refused(part: str) -> Iterator[Sample]:
    """Axes, widths, heads, masks, weights and keys that do not fit."""
    if part != "multi_head_attention_forward":
        return
    x = torch.ones
    for name, shapes in {
        "one axis": ((D,), (D,), (D,)),
        "four axes": ((1, L, B, D), (1, S, B, D), (1, S, B, D)),
        "a key without a batch": ((L, B, D), (S, D), (S, D)),
        "a value with a batch": ((L, D), (S, D), (S, B, D)),
        "as many keys as values": ((L, B, D), (S, B, D), (L, B, D)),
        "another width": ((L, B, D + 2), (S, B, D + 2), (S, B, D + 2)),
        "another width of values": ((L, B, D), (S, B, D), (S, B, D + 1)),
        "another batch": ((L, B, D), (S, B + 1, D), (S, B + 1, D)),
    }.items():
        yield Sample(name, (*(x(shape) for shape in shapes), *_arguments(x)[3:]))
    yield Sample("heads that do not divide the width", (*_arguments(x)[:4], 4, *_arguments(x)[5:]))
    masks: dict[str, dict[str, Any]] = {
        "padding with time": {"key_padding_mask": x(B, L, S)},
        "padding of another length": {"key_padding_mask": x(B, L)},
        "padding of another batch": {"key_padding_mask": x(B + 1, S)},
        "padding of whole numbers": {"key_padding_mask": x(B, S, dtype=torch.int64)},
        "a mask of one axis": {"attn_mask": x(S)},
        "a mask of another length": {"attn_mask": x(L, L)},
        "masks of another number of heads": {"attn_mask": x(N, L, S)},
        "a mask of whole numbers": {"attn_mask": x(L, S, dtype=torch.int64)},
        "a mask of another dtype": {"attn_mask": x(L, S, dtype=torch.float64)},
        "a hint without a mask": {"is_causal": True},
        "separate weights that are missing": {"use_separate_proj_weight": True},
        "static keys of another batch": {"static_k": x(3, S, D // N)},
        "static values of another width": {"static_v": x(B * N, S, D)},
    }
    for name, given in masks.items():
        yield Sample(name, _arguments(x), given)
    yield Sample("a mask of heads, no batch", _arguments(x, batch=()), {"attn_mask": x(B * N, L, S)})
    for rows in (B, 1):
        name = f"padding of a batch of {rows}, no batch"
        yield Sample(name, _arguments(x, batch=()), {"key_padding_mask": x(rows, S)})
    yield Sample("no packed weight", _arguments(x, is_packed=False))
    yield Sample("a key alone", _arguments(x, bias_k=x(1, 1, D)))
    yield Sample("a value alone", _arguments(x, bias_v=x(1, 1, D)))
    both = _arguments(x, bias_k=x(1, 1, D), bias_v=x(1, 1, D))
    yield Sample("a learned key and static ones", both, {"static_k": x(B * N, S, D // N)})
    yield Sample("a learned value and static ones", both, {"static_v": x(B * N, S, D // N)})
    for at in range(3):
        weights = {name: x(D, D + (at == i)) for i, name in enumerate(SEPARATE)}
        yield Sample(f"{SEPARATE[at]} of another width", _arguments(x), {"use_separate_proj_weight": True, **weights})
    arguments = _arguments(x)
    separate = {"use_separate_proj_weight": True, **{name: x(D, D) for name in SEPARATE}}
    yield Sample("biases of another width", (*arguments[:6], x(6 * D), *arguments[7:]), separate)
    for at, name in enumerate(("key", "value"), start=1):
        lengths = [L, S, S]
        lengths[at] = L
        sequences = tuple(x(length, B, D) for length in lengths)
        yield Sample(f"{name}s of another length, separate", (*sequences, *arguments[3:]), separate)


def _arguments(
    x: Any,
    *,
    batch: tuple[int, ...] = (B,),
    widths: tuple[int, int] = (D, D),
    is_packed: bool = True,
    has_bias: bool = True,
    bias_k: Tensor | None = None,
    bias_v: Tensor | None = None,
    add_zero_attn: bool = False,
    dropout_p: float = 0.0,
) -> tuple:
    """Those that have no default, made by ``x``."""
    sequences = (x(L, *batch, D), x(S, *batch, widths[0]), x(S, *batch, widths[1]))
    packed = (x(3 * D, D) if is_packed else None, x(3 * D) if has_bias else None)
    last = (x(D, D), x(D) if has_bias else None)
    return *sequences, D, N, *packed, bias_k, bias_v, add_zero_attn, dropout_p, *last


def _self_attention(T: int, B: int, D: int, N: int, **kwargs: Any) -> Case:
    def inputs() -> tuple[Tensor, Tensor, Tensor]:
        x = torch.randn(T, B, D)
        return x, x, x

    name = "GPT, block" if kwargs else "GPT, block, with weights"
    return Case("MultiheadAttention", name, inputs, init_args=(D, N), kwargs=kwargs)


BENCH = (
    _self_attention(128, 4, 128, 4),
    _self_attention(128, 4, 128, 4, need_weights=False),
    Case(
        "multi_head_attention_forward",
        "GPT, block",
        lambda: (
            *(torch.randn(128, 4, 128) for _ in range(3)),
            *(128, 4, torch.randn(384, 128) / 8, torch.zeros(384), None, None, False, 0.0),
            *(torch.randn(128, 128) / 8, torch.zeros(128)),
        ),
    ),
)
