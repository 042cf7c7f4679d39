"""Inputs for the Transformer's layers that PyTorch's own samples lack, and calls whose speed is measured."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from conceptlab.core.samples import Case, Sample

D, N, WIDE = 4, 2, 8
SMALL = {"dim_feedforward": WIDE, "dropout": 0.0}


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Masks of numbers, hints, a single word, dropout, other activations; causal masks that nobody calls so."""

    def x(*shape: int) -> Tensor:
        return torch.randn(*shape, D, dtype=dtype, requires_grad=True)

    ahead = torch.ones(3, 3, dtype=torch.bool).triu(1)
    causal = nn.Transformer.generate_square_subsequent_mask(3, dtype=dtype)
    of_heads = torch.randn(2 * N, 3, 3, dtype=dtype)
    if part == "TransformerEncoderLayer":
        yield Sample("numbers", (x(3, 2), of_heads), {}, (D, N), SMALL)
        yield Sample("a hint", (x(3, 2), causal, None, True), {}, (D, N), {**SMALL, "norm_first": True})
        yield Sample("tanh", (x(2, 3),), {}, (D, N), {**SMALL, "activation": torch.tanh, "batch_first": True})
        # with batch_first torch's own draws another mask inside torch.func.grad than outside
        yield Sample("dropout", (x(3, 2),), {}, (D, N), {**SMALL, "dropout": 0.5})
        yield Sample("one word", (x(1),), {}, (D, N), SMALL)
    elif part == "TransformerDecoderLayer":
        yield Sample("numbers", (x(3, 2), x(3, 2), causal, of_heads), {}, (D, N), SMALL)
        hints = {"tgt_mask": ahead, "memory_mask": ahead, "tgt_is_causal": True, "memory_is_causal": True}
        yield Sample("hints", (x(3, 2), x(3, 2)), hints, (D, N), {**SMALL, "norm_first": True})
        yield Sample("dropout", (x(3, 2), x(5, 2)), {}, (D, N), {**SMALL, "dropout": 0.5})
        yield Sample("one word", (x(1), x(1)), {}, (D, N), SMALL)
    elif part in ("TransformerEncoder", "TransformerDecoder"):
        memory = (x(1),) if part == "TransformerDecoder" else ()
        yield Sample("one word", (x(1), *memory), {}, (_layer(part, dtype), 1))
        memory = (x(5, 2),) if memory else ()
        for name, mask in {"causal": causal, "booleans ahead": ahead, "of heads": of_heads, "other": causal.T}.items():
            yield Sample(f"{name}, not called so", (x(3, 2), *memory, mask), {}, (_layer(part, dtype), 1))
        memory = (x(2, 5),) if memory else ()
        first = _layer(part, dtype, batch_first=True)
        hint = {"is_causal" if part == "TransformerEncoder" else "tgt_is_causal": True}
        yield Sample("causal, and called so", (x(2, 3), *memory, causal), hint, (first, 2))
        yield Sample("batch first, causal", (x(2, 3), *memory, causal), {}, (first, 1))
    elif part == "Transformer":
        small = {"d_model": D, "nhead": N, "num_encoder_layers": 1, "num_decoder_layers": 1, **SMALL}
        yield Sample("one word", (x(1), x(1)), init_kwargs=small)
        yield Sample("dropout", (x(3, 2), x(5, 2)), init_kwargs={**small, "dropout": 0.5})
        masks = {"src_mask": causal, "tgt_mask": ahead}
        yield Sample("causal", (x(3, 2), x(3, 2)), masks, init_kwargs={**small, "activation": "gelu"})


def _layer(part: str, dtype: torch.dtype, **settings: Any) -> nn.Module:
    """A layer of which a stack makes copies, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(nn, f"{part}Layer")(D, N, dtype=dtype, **SMALL, **settings)


_GPT = {"dim_feedforward": 1024, "dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}

BENCH = (
    Case("TransformerEncoderLayer", "GPT, block", lambda: (torch.randn(4, 64, 256),), (256, 4), _GPT),
    Case("TransformerEncoderLayer", "BERT, block", lambda: (torch.randn(2, 128, 256),), (256, 4), {"dropout": 0.0}),
    Case(
        "TransformerDecoderLayer",
        "translation, block",
        lambda: (torch.randn(64, 4, 256), torch.randn(64, 4, 256)),
        (256, 4),
        {"dim_feedforward": 1024, "dropout": 0.0},
    ),
)
