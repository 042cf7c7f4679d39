"""Inputs for recurrence that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Case, Sample

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
D, H, B, T = 3, 2, 2, 3

Draw = Callable[..., Tensor]


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Sequences in both of torch's forms, with every option; cells; packed sequences for the layers; extremes."""

    def draw(*shape: int) -> Tensor:
        return (torch.randn(shape, dtype=dtype) / 2).requires_grad_()

    if part in GATES:
        yield from _sequences(part, draw)
    elif part.endswith("_cell"):
        yield from _cells(part.removesuffix("_cell"), draw)
    elif part in ("RNN", "LSTM", "GRU"):
        yield from _layers(part, draw)
    elif part in ("RNNCell", "LSTMCell", "GRUCell"):
        state = draw(B, H) if part != "LSTMCell" else (draw(B, H), draw(B, H))
        yield Sample("batch", (draw(B, D), state), init_args=(D, H))
        yield Sample("no state, no bias", (draw(B, D),), init_args=(D, H, False))
        yield Sample("no state, one sample", (draw(D),), init_args=(D, H))


def _call(
    part: str,
    draw: Draw,
    *,
    layers: int = 1,
    bias: bool = True,
    both: bool = False,
    dropout: float = 0.0,
    train: bool = True,
    batch_first: bool = False,
    sizes: tuple[int, ...] | None = None,
    shape: tuple[int, int] = (T, B),
    projection: int = 0,
) -> tuple:
    """The arguments of one call."""
    batch = shape[1] if sizes is None else sizes[0]
    directions, gates, width = 1 + both, GATES[part], projection or H
    states = (draw(layers * directions, batch, width), draw(layers * directions, batch, H))
    params: list[Tensor] = []
    for layer in range(layers):
        for _ in range(directions):
            columns = width * directions if layer else D
            params += [draw(gates * H, columns), draw(gates * H, width)]
            params += [draw(gates * H), draw(gates * H)] if bias else []
            params += [draw(projection, H)] if projection else []
    hx = states if part == "lstm" else states[0]
    options = (params, bias, layers, dropout, train, both)
    if sizes is not None:
        return draw(sum(sizes), D), torch.tensor(sizes), hx, *options
    return draw(*(shape[::-1] if batch_first else shape), D), hx, *options, batch_first


_OPTIONS: dict[str, dict[str, Any]] = {
    "one layer": {},
    "no bias": {"bias": False},
    "one step, batch first": {"shape": (1, 2), "batch_first": True},
    "two layers in both directions": {"layers": 2, "both": True, "batch_first": True},
    "dropout": {"layers": 2, "dropout": 0.5, "both": True},
    "dropout, batch first": {"layers": 3, "dropout": 0.3, "batch_first": True, "bias": False},
    "all dropped": {"layers": 2, "dropout": 1.0},
    "dropout in evaluation": {"layers": 2, "dropout": 0.5, "train": False},
    "no samples": {"shape": (3, 0), "both": True},
    "packed": {"sizes": (3, 2, 2, 1)},
    "packed, one sequence": {"sizes": (1, 1), "bias": False},
    "packed, one step": {"sizes": (2,), "both": True},
    "packed, both directions, dropout": {"sizes": (3, 1), "layers": 2, "both": True, "dropout": 0.5},
}

_PROJECTED: dict[str, dict[str, Any]] = {
    "projected": {"projection": 1},
    "projected, two layers in both directions": {"projection": 1, "layers": 2, "both": True, "bias": False},
    "projected, packed": {"projection": 1, "sizes": (2, 1), "both": True},
}


def _sequences(part: str, draw: Draw) -> Iterator[Sample]:
    for name, options in {**_OPTIONS, **(_PROJECTED if part == "lstm" else {})}.items():
        yield Sample(name, _call(part, draw, **options), smooth=part != "rnn_relu")
    batch = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")
    packed = ("data", "batch_sizes", *batch[1:-1])
    yield Sample("by name", kwargs=dict(zip(batch, _call(part, draw), strict=True)), smooth=part != "rnn_relu")
    arguments = dict(zip(packed, _call(part, draw, sizes=(2, 1)), strict=True))
    yield Sample("packed, by name", kwargs=arguments, smooth=part != "rnn_relu")
    more = {**arguments, "data": draw(5, D)}
    yield Sample("packed, rows of no step", kwargs=more, smooth=part != "rnn_relu")
    first = [arguments.pop(name) for name in packed[:3]]
    yield Sample("packed, weights by name", tuple(first), arguments, smooth=part != "rnn_relu")


def _cells(kind: str, draw: Draw) -> Iterator[Sample]:
    def call(batch: int, biases: int, x: Tensor | None = None) -> tuple:
        rows = GATES[kind] * H
        state = (draw(batch, H), draw(batch, H)) if kind == "lstm" else draw(batch, H)
        given = [draw(rows) for _ in range(biases)]
        return draw(batch, D) if x is None else x, state, draw(rows, D), draw(rows, H), *given

    smooth = kind != "rnn_relu"
    yield Sample("no bias", call(B, 0), smooth=smooth)
    yield Sample("both biases", call(3, 2), smooth=smooth)
    yield Sample("one bias", call(B, 1), smooth=smooth)
    yield Sample("the other bias", (*call(B, 0), None, draw(GATES[kind] * H)), smooth=smooth)
    yield Sample("no samples", call(0, 2), smooth=smooth)
    x = draw(5, D).detach()
    x[:, 0] = torch.tensor([0.0, 1e30, math.inf, -math.inf, math.nan])
    yield Sample("extremes", call(5, 2, x), smooth=False)


def _layers(part: str, draw: Draw) -> Iterator[Sample]:
    def sequences(*lengths: int, enforce_sorted: bool = False) -> PackedSequence:
        packed = pack_sequence([draw(n, D).detach() for n in lengths], enforce_sorted=enforce_sorted)
        packed.data.requires_grad_()
        return packed

    both = {"num_layers": 2, "bidirectional": True, "dropout": 0.5}
    count = 4
    h = draw(count, 3, H)
    states = (h, draw(count, 3, H)) if part == "LSTM" else h
    yield Sample("batch", (draw(T, B, D),), init_args=(D, H))
    yield Sample(
        "batch first, no bias", (draw(B, T, D),), init_args=(D, H), init_kwargs={"batch_first": True, "bias": False}
    )
    yield Sample("batch and states, dropout", (draw(T, 3, D), states), init_args=(D, H), init_kwargs=both)
    yield Sample("packed in any order", (sequences(2, 4, 1),), init_args=(D, H))
    yield Sample("packed in any order, and states", (sequences(1, 3, 2), states), init_args=(D, H), init_kwargs=both)
    longest_first = sequences(3, 3, 2, enforce_sorted=True)
    yield Sample("packed, the longest first", (longest_first, states), init_args=(D, H), init_kwargs=both)
    if part == "LSTM":
        projected = {"proj_size": 1, "bidirectional": True}
        yield Sample("packed, projected", (sequences(1, 3),), init_args=(D, H), init_kwargs=projected)
        yield Sample("batch, projected", (draw(T, B, D),), init_args=(D, H), init_kwargs=projected)


def refused(part: str) -> Iterator[Sample]:
    """Wrong numbers of states, steps or weights, shapes and dtypes that do not fit, sizes of no packed sequence."""

    # in float64, since torch's own crashes at some of these in float32
    def draw(*shape: Any) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64)

    if part in GATES:
        yield from _refused_sequences(part, draw)
    if part.endswith("_cell"):
        kind = part.removesuffix("_cell")
        gates = GATES[kind] * H

        def call(
            x: Any, h: Any, w_ih: Any = (gates, D), w_hh: Any = (gates, H), c: Any = (B, H), **more: Tensor
        ) -> Sample:
            state = (draw(h), draw(c)) if kind == "lstm" else draw(h)
            return Sample(f"{x} {h} {w_ih} {w_hh} {c}", (draw(x), state, draw(w_ih), draw(w_hh)), more)

        yield call((B, D + 1), (B, H))
        yield call((B, D), (B, H + 1))
        yield call((B, D), (B + 1, H), c=(B + 1, H))
        yield call((D,), (H,), c=(H,))
        yield call((B, B, D), (B, B, H))
        yield call((B, D), (B, H), w_ih=(gates + 1, D))
        yield call((B, D), (B, H), w_hh=(gates + 1, H))
        yield call((B, D), (B, H), b_ih=draw(gates + 1))
        yield call((B, D), (B, H), b_hh=draw(1))
        x, state, *weights = call((B, D), (B, H)).args
        yield Sample("mixed dtypes", (x.float(), state, *weights))
        # half precision is widened, after which all would fit
        half = tree_map(lambda tensor: tensor.bfloat16(), (x, state, *weights))
        yield Sample("one weight of another dtype", (*half[:-1], half[-1].float()))
        for name, dtype in {"whole numbers": torch.int64, "complex numbers": torch.complex128}.items():
            yield Sample(name, tree_map(lambda tensor, dtype=dtype: tensor.to(dtype), (x, state, *weights)))
        if kind == "lstm":
            yield Sample("one state", (x, state[:1], *weights))
            yield call((B, D), (B, H), c=(B, H + 1))
            yield call((B, D), (B, H), c=(B + 1, H))
            yield Sample("another dtype of c", (x, (state[0], state[1].float()), *weights))


def _refused_sequences(part: str, draw: Draw) -> Iterator[Sample]:
    def changed(name: str, place: int, value: Any, **options: Any) -> Sample:
        args = list(_call(part, draw, **options))
        args[place] = value
        return Sample(name, tuple(args))

    def states(*shape: int) -> Any:
        return (draw(shape), draw(shape)) if part == "lstm" else draw(shape)

    yield Sample("no steps", _call(part, draw, shape=(0, B)))
    yield Sample("no steps, batch first", _call(part, draw, shape=(0, B), batch_first=True))
    yield changed("two axes", 0, draw(T, D))
    yield changed("another width", 0, draw(T, B, D + 1))
    yield changed("mixed dtypes", 0, draw(T, B, D).float())
    yield changed("too many states", 1, states(2, B, H))
    yield changed("too few states", 1, states(1, B, H), layers=2)
    yield changed("states of another batch", 1, states(1, B + 1, H))
    yield changed("wider states", 1, states(1, B, H + 1))
    yield changed("states of two axes", 1, states(1, B))
    yield changed("too few weights", 2, [draw(GATES[part] * H, D)])
    yield changed("a wide weight", 2, [draw(GATES[part] * H, D + 1), draw(GATES[part] * H, H)], bias=False)
    rows = GATES[part] * H
    yield changed("a bias of one number", 2, [draw(rows, D), draw(rows, H), draw(1), draw(rows)])
    yield changed("dropout of more than all", 5, 1.5, layers=2)
    yield changed("dropout of less than nothing", 5, -0.5, layers=2)
    sizes = (2, 1, 1)
    yield changed("sizes that do not add up", 1, torch.tensor([2, 2, 2]), sizes=sizes)
    yield changed("a step without rows", 1, torch.tensor([2, 2, 0]), sizes=sizes)
    yield changed("rising sizes", 1, torch.tensor([1, 2, 1]), sizes=sizes)
    yield changed("sizes of 32 bits", 1, torch.tensor([2, 1, 1], dtype=torch.int32), sizes=sizes)
    yield changed("rows of three axes", 0, draw(4, B, D), sizes=sizes)
    yield changed("states of another batch, packed", 2, states(1, 3, H), sizes=sizes)
    arguments = {"batch_sizes": torch.tensor(sizes), "hx": states(1, B, H)}
    yield Sample("half of the arguments, by name", (draw(4, D),), arguments)
    if part == "lstm":
        yield changed("one state", 1, (draw(1, B, H),))
        yield changed("states of two batches", 1, (draw(1, B, H), draw(1, B + 1, H)))


def _layer(part: str, network: str, steps: int, batch: int, features: int) -> Case:
    return Case(part, network, lambda: (torch.randn(steps, batch, features),), init_args=(features, features))


BENCH = (
    *(_layer(part, "character network", 64, 8, 64) for part in ("LSTM", "GRU", "RNN")),
    *(_layer(part, "language model", 128, 32, 256) for part in ("LSTM", "GRU", "RNN")),
    *(Case(part, "decoder", lambda: (torch.randn(64, 256),), init_args=(256, 256)) for part in ("LSTMCell", "GRUCell")),
    Case("RNNCell", "decoder", lambda: (torch.randn(64, 256),), init_args=(256, 256)),
)
