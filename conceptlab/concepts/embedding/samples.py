"""Inputs for embeddings that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_MODES = ("sum", "mean", "max")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Every option with gradients, repeated and padding words, no words, extremes in the table."""

    def table(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, requires_grad=True)

    makers = {"embedding": _lookups, "embedding_bag": _bags, "one_hot": _classes, "Embedding": _layers}
    if part in makers:
        yield from makers[part](table)
    elif part == "EmbeddingBag":
        # PyTorch's own module_db has none of it; conceptlab.verify.samples has the others
        yield Sample("padding from the end", (_words(1, 4, 2, 4),), {}, (5, 3), {"padding_idx": -1})


def _words(*words: int) -> Tensor:
    return torch.tensor(words)


def _with_a_long_row(table: Tensor) -> Tensor:
    """Row 0 is longer than any ``max_norm`` here: it is written to, and the rows cannot be one and the same memory."""
    return torch.cat([table.detach()[:1] * 0 + 3, table.detach()[1:]]).requires_grad_()


def _lookups(table: Any) -> Iterator[Sample]:
    words = torch.tensor([[1, 4, 1], [0, 1, 4]])
    for options in (
        {"padding_idx": 1},
        {"padding_idx": 0},
        {"padding_idx": -1},
        {"padding_idx": -5},
        {"padding_idx": 4, "scale_grad_by_freq": True},
        {"padding_idx": 1, "sparse": True},
    ):
        yield Sample(f"{options}", (words, table(5, 3)), options)
    yield Sample("padding 0, sparse", (_words(3, 0, 2), table(5, 3)), {"padding_idx": 0, "sparse": True})
    yield Sample("nothing but padding", (_words(2, 2), table(5, 3)), {"padding_idx": 2})
    yield Sample("nothing but padding, sparse", (_words(2, 2), table(5, 3)), {"padding_idx": 2, "sparse": True})
    shortened: tuple[dict[str, float], ...] = (
        {"max_norm": 1.0},
        {"max_norm": 1.0, "padding_idx": 1},
        {"max_norm": 1.0, "norm_type": math.inf},
        {"max_norm": 1.0, "norm_type": 0.0},
        {"max_norm": 2.0, "norm_type": 3.0},
    )
    for setting in shortened:
        yield Sample(f"{setting}", (words, _with_a_long_row(table(5, 3))), setting)
    # a row that is just as long as it may be, and rows to whose length 1e-7 is much
    of_length_5 = torch.tensor([[6.0, 8.0], [3.0, 4.0]], dtype=table(1).dtype, requires_grad=True)
    yield Sample("of full length", (_words(0, 1), of_length_5), {"max_norm": 5.0})
    short = (table(5, 3).detach() * 1e-6).requires_grad_()
    yield Sample("short rows, shortened", (words, short), {"max_norm": 1e-7})
    yield Sample("one word", (torch.tensor(3), table(5, 3)), {"scale_grad_by_freq": True})
    for times in (100, 200, 300):
        # whose gradients have to be divided, and added up, in float32
        yield Sample(f"one word, {times} times", (_words(0).expand(times), table(1, 2)), {"scale_grad_by_freq": True})
    yield Sample(
        "32 bits, all options", (words.int(), _with_a_long_row(table(5, 3))), {"padding_idx": 1, "max_norm": 1.0}
    )
    yield Sample("32 bits, by frequency", (words.int(), table(5, 3)), {"scale_grad_by_freq": True})
    yield Sample("32 bits, sparse", (words.int(), table(5, 3)), {"sparse": True})
    yield Sample("scattered words", (words.t(), table(5, 3)))
    yield Sample("scattered words, shortened", (words.t(), _with_a_long_row(table(5, 3))), {"max_norm": 0.5})
    yield Sample("no vectors", (torch.empty(0, 2, dtype=torch.int64), table(0, 3)))
    yield Sample("no words, padding", (_words().long(), table(5, 3)), {"padding_idx": 0})
    yield Sample("no words, sparse", (_words().long(), table(5, 3)), {"sparse": True})
    yield Sample("no features", (words, table(5, 0)))
    yield Sample("no gradient", (words, table(5, 3).detach()))
    yield Sample("whole numbers", (words, torch.arange(10).reshape(5, 2)))
    extremes = torch.tensor([[-math.inf, 3.0], [math.inf, 1.0], [math.nan, 2.0], [0.0, -0.0]], dtype=table(1).dtype)
    yield Sample("extremes", (_words(0, 1, 2, 3), extremes.clone().requires_grad_()), {"padding_idx": 1}, smooth=False)
    yield Sample("extremes, shortened", (_words(0, 1, 2, 3), extremes), {"max_norm": 1.0})


def _divides_by_its_own_count() -> bool:
    """Whether torch does: 2.11 divides the gradient of a bag's word by how often another word occurs."""
    table = torch.ones(3, 1, requires_grad=True)
    with torch.enable_grad():
        y = F.embedding_bag(_words(0, 0, 2), table, _words(0), mode="sum", scale_grad_by_freq=True)
        (g,) = torch.autograd.grad(y.sum(), table)
    return bool(g[2] == 1)


def _bags(table: Any) -> Iterator[Sample]:
    words, offsets = _words(1, 4, 1, 0, 1, 4, 2), _words(0, 2, 2, 5)
    of_one_size = torch.tensor([[1, 4, 1], [0, 1, 4]])
    # where torch's gradient is no measure none is asked for; tests/concepts/test_embedding.py has another
    measured = _divides_by_its_own_count()

    def by_count(rows: Tensor) -> Tensor:
        return rows if measured else rows.detach()

    for mode in _MODES:
        bag: Callable[..., dict[str, Any]] = partial(dict, mode=mode)
        yield Sample(f"{mode}, offsets", (words, table(5, 3), offsets), bag())
        yield Sample(f"{mode}, padding", (words, table(5, 3), offsets), bag(padding_idx=1))
        yield Sample(f"{mode}, padding -5", (words, table(5, 3), offsets), bag(padding_idx=-5))
        yield Sample(f"{mode}, padding 0", (words, table(5, 3), offsets), bag(padding_idx=0))
        yield Sample(f"{mode}, nothing but padding", (_words(1, 1, 2), table(5, 3), _words(0, 2)), bag(padding_idx=1))
        end = {"include_last_offset": True}
        yield Sample(f"{mode}, the end given", (words, table(5, 3), _words(0, 2, 5, 7)), bag(**end))
        yield Sample(f"{mode}, the end given of no bag", (_words().long(), table(5, 3), _words(0)), bag(**end))
        yield Sample(f"{mode}, of one size, the end given", (of_one_size, table(5, 3)), bag(**end))
        yield Sample(f"{mode}, no words", (_words().long(), table(5, 3), _words(0, 0)), bag())
        yield Sample(f"{mode}, no bags", (torch.empty(0, 2, dtype=torch.int64), table(5, 3)), bag())
        yield Sample(f"{mode}, neither", (_words().long(), table(5, 3), _words().long()), bag())
        yield Sample(f"{mode}, an empty bag at the end", (words, table(5, 3), _words(0, 7)), bag())
        yield Sample(f"{mode}, shortened", (words, _with_a_long_row(table(5, 3)), offsets), bag(max_norm=1.0))
        yield Sample(f"{mode}, 32 bits", (words.int(), table(5, 3), offsets.int()), bag())
        yield Sample(f"{mode}, 32 bits, 64 bits of offsets", (words.int(), table(5, 3), offsets), bag())
        yield Sample(f"{mode}, 32 bits of one size", (of_one_size.int(), table(5, 3)), bag(padding_idx=-1))
        yield Sample(f"{mode}, bytes", (words.byte(), table(5, 3), offsets), bag())
        yield Sample(f"{mode}, bytes of offsets", (words, table(5, 3), offsets.byte()), bag())
        yield Sample(f"{mode}, no gradient", (words, table(5, 3).detach(), offsets), bag())
        large = torch.arange(300) * 7 % 50
        yield Sample(f"{mode}, many", (large, table(50, 8), _words(0, 10, 11, 150, 150)), bag())
        # whose gradients have to be added up in float32
        yield Sample(f"{mode}, many bags of one word", (large[:, None] * 0, table(1, 2)), bag())
        if mode != "max":
            counted = (words, by_count(table(5, 3)), offsets)
            yield Sample(f"{mode}, by frequency", counted, bag(scale_grad_by_freq=True))
            yield Sample(f"{mode}, by frequency, padding", counted, bag(scale_grad_by_freq=True, padding_idx=1))
            yield Sample(f"{mode}, sparse", (words, table(5, 3), offsets), bag(sparse=True))
            yield Sample(f"{mode}, sparse, padding", (words, table(5, 3), offsets), bag(sparse=True, padding_idx=4))
    for options in ({}, {"padding_idx": 1}, {"sparse": True}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}):
        weighted = {"mode": "sum", "per_sample_weights": table(7), **options}
        rows = _with_a_long_row(table(5, 3))
        rows = by_count(rows) if "scale_grad_by_freq" in options else rows
        yield Sample(f"weighted, {options}", (words, rows, offsets), weighted)
    of_factors = {"mode": "sum", "per_sample_weights": table(7)}
    yield Sample("by the factors alone", (words, table(5, 3).detach(), offsets), of_factors)
    constant = {"mode": "sum", "per_sample_weights": table(2, 3).detach()}
    yield Sample("constant factors", (of_one_size, table(5, 3)), constant)
    equal = torch.tensor([[1.0, 2.0], [1.0, 0.0], [0.0, 2.0]], dtype=table(1).dtype, requires_grad=True)
    yield Sample("max, equal numbers", (_words(2, 0, 1, 1, 0, 2), equal, _words(0, 3)), {"mode": "max"}, smooth=False)
    infinite = torch.tensor([[math.inf, -math.inf], [1.0, math.nan], [math.nan, -math.inf]], dtype=table(1).dtype)
    for mode in _MODES:
        bags = (_words(0, 1, 2, 2, 1, 0, 1, 2), infinite.clone().requires_grad_(), _words(0, 3, 5, 5))
        yield Sample(f"{mode}, extremes", bags, {"mode": mode}, smooth=False)
        yield Sample(f"{mode}, extremes as padding", bags, {"mode": mode, "padding_idx": 2}, smooth=False)
    ends = {"mode": "sum", "padding_idx": 2, "per_sample_weights": table(3)}
    yield Sample("weighted, extremes as padding", (_words(0, 2, 1), infinite, _words(0)), ends, smooth=False)
    yield Sample("the old order of arguments", (table(5, 3), words, offsets))


def _classes(_: Any) -> Iterator[Sample]:
    yield Sample("a class without a sample", (_words(0, 3, 3), 6))
    yield Sample("one class", (_words(0, 0),))
    yield Sample("one class, given", (_words(0, 0), 1))
    yield Sample("no samples of one class", (torch.empty(0, dtype=torch.int64), 1))
    yield Sample("no samples", (torch.empty(0, 2, dtype=torch.int64), 3))
    yield Sample("scattered", (torch.tensor([[0, 1, 2], [0, 1, 1]]).t(), 4))


def _layers(_: Any) -> Iterator[Sample]:
    words = torch.tensor([[1, 4, 1], [0, 1, 4]])
    yield Sample("positional", (words,), {}, (5, 3, 1, 1.0, 1.0, True))
    # without a sparse gradient, which cannot be compiled: the function's own samples have it
    for options in ({"padding_idx": 1}, {"padding_idx": -1}, {"max_norm": 1.0}):
        yield Sample(f"{options}", (words,), {}, (5, 3), options)
    given = torch.arange(15.0, dtype=torch.float64).reshape(5, 3)
    yield Sample("a table that is given", (words,), {}, (5, 3), {"_weight": given, "padding_idx": 1})
    yield Sample("a frozen table", (words,), {}, (5, 3), {"_weight": given, "_freeze": True})


def refused(part: str) -> Iterator[Sample]:
    """Words, offsets, tables and options that do not fit."""
    table, words, offsets = torch.ones(5, 3), _words(1, 4, 2), _words(0, 2)
    if part == "one_hot":
        yield Sample("another dtype", (words.int(),))
        yield Sample("a negative class", (_words(-1, 2),))
        yield Sample("a negative class among four", (_words(-1, 2), 4))
        yield Sample("too few classes", (words, 4))
        yield Sample("no classes", (words, 0))
        yield Sample("less than none", (words, -2))
        yield Sample("none, and no samples", (words[:0], 0))
        yield Sample("no samples", (words[:0],))
    elif part == "embedding":
        for word in (5, -1):
            yield Sample(f"word {word}", (_words(word), table))
            yield Sample(f"word {word}, shortened", (_words(word), table), {"max_norm": 1.0})
        yield Sample("no vectors", (_words(0), table[:0]))
        for dtype in (torch.float32, torch.uint8, torch.int16, torch.bool):
            yield Sample(f"words of {dtype}", (words.to(dtype), table))
            yield Sample(f"words of {dtype}, shortened", (words.to(dtype), table), {"max_norm": 1.0})
        for padding in (5, -6):
            yield Sample(f"padding {padding}", (words, table), {"padding_idx": padding})
        yield Sample("a vector as table", (words, table[0]))
        yield Sample("whole numbers shortened", (words, table.long()), {"max_norm": 1.0})
    elif part == "embedding_bag":
        yield from _refused_bags(table, words, offsets)


def _refused_bags(table: Tensor, words: Tensor, offsets: Tensor) -> Iterator[Sample]:
    for mode in _MODES:
        for word in (5, -1):
            yield Sample(f"word {word}, {mode}", (_words(word), table, _words(0)), {"mode": mode})
        for padding in (5, -6):
            yield Sample(f"padding {padding}", (words, table, offsets), {"padding_idx": padding, "mode": mode})
    yield Sample("a first bag that begins late", (words, table, _words(1)))
    yield Sample("a bag that begins behind the end", (words, table, _words(0, 4)))
    yield Sample("a last bag that ends behind the end", (words, table, _words(0, 4)), {"include_last_offset": True})
    yield Sample("no end", (words, table, offsets[:0]), {"include_last_offset": True})
    yield Sample("no end, and no words", (words[:0], table, offsets[:0]), {"include_last_offset": True})
    yield Sample("no offsets", (words, table))
    yield Sample("offsets with two axes", (words, table, offsets[None]))
    yield Sample("offsets beside bags of one size", (words[None], table, offsets))
    yield Sample("bags of no size", (torch.empty(2, 0, dtype=torch.int64), table))
    yield Sample("a single word", (words[0], table, offsets))
    yield Sample("three axes", (words[None, None], table))
    for dtype in (torch.float32, torch.uint8, torch.int16):
        yield Sample(f"bags of one size of {dtype}", (words.to(dtype)[None], table))
        yield Sample(f"words and offsets of {dtype}", (words.to(dtype), table, offsets.to(dtype)))
    yield Sample("offsets of another kind", (words, table, offsets.float()))
    yield Sample("another mode", (words, table, offsets), {"mode": "min"})
    yield Sample("a vector as table", (words, table[0], offsets))
    for other in (table.long(), table.to(torch.complex64)):
        yield Sample(f"a table of {other.dtype}", (words, other, offsets), {"mode": "sum"})
    yield Sample("max, by frequency", (words, table, offsets), {"mode": "max", "scale_grad_by_freq": True})
    yield Sample("max, sparse", (words, table, offsets), {"mode": "max", "sparse": True})
    yield Sample("too few factors", (words, table, offsets), {"mode": "sum", "per_sample_weights": torch.ones(2)})
    yield Sample("factors of a mean", (words, table, offsets), {"per_sample_weights": torch.ones(3)})
    precise = {"mode": "sum", "per_sample_weights": torch.ones(3, dtype=torch.float64)}
    yield Sample("factors of another dtype", (words, table, offsets), precise)


_TABLES = {"GPT-2, tokens": (50257, 768, (1, 256)), "character model": (65, 128, (12, 64))}


def _of_fifty() -> tuple[Tensor, Tensor]:
    """64 bags of 40 to 60 words."""
    sizes = [40 + 13 * number % 21 for number in range(64)]
    return torch.randint(20000, (sum(sizes),)), torch.tensor([sum(sizes[:number]) for number in range(64)])


def _bag_call() -> tuple[Tensor, Tensor, Tensor]:
    words, offsets = _of_fifty()
    return words, torch.randn(20000, 64), offsets


BENCH = (
    *(
        Case("Embedding", network, lambda V=V, shape=shape: (torch.randint(V, shape),), init_args=(V, D))
        for network, (V, D, shape) in _TABLES.items()
    ),
    *(
        Case("embedding", network, lambda V=V, D=D, shape=shape: (torch.randint(V, shape), torch.randn(V, D)))
        for network, (V, D, shape) in _TABLES.items()
    ),
    *(
        Case("EmbeddingBag", f"bags of words, {mode}", _of_fifty, init_args=(20000, 64), init_kwargs={"mode": mode})
        for mode in _MODES
    ),
    *(Case("embedding_bag", f"bags of words, {mode}", _bag_call, kwargs={"mode": mode}) for mode in _MODES),
    Case("one_hot", "character model", lambda: (torch.randint(65, (12, 64)), 65)),
)
