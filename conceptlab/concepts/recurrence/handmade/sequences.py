"""Sequences: layer upon layer, in one direction or in both, of a batch or of packed rows."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from conceptlab.concepts.recurrence._forms import both_forms
from conceptlab.concepts.recurrence.handmade.gru_rule import gru_direction
from conceptlab.concepts.recurrence.handmade.lstm_rule import lstm_direction
from conceptlab.concepts.recurrence.handmade.refusal import (
    refuse,
    require_axes,
    require_dtypes,
    require_weights,
    sizes_of,
)
from conceptlab.concepts.recurrence.handmade.rnn_rule import relu_direction, tanh_direction
from conceptlab.concepts.recurrence.handmade.steps import Weights
from conceptlab.core import declare, wide

ops = declare("nn", "handmade")


class Kind(NamedTuple):
    """A kind of recurrence."""

    direction: Callable[[Tensor, Sequence[Tensor], Weights, bool, Sequence[int]], tuple[Tensor, tuple[Tensor, ...]]]
    """One layer in one direction: from rows, first states, weights, whether it goes backward in time, and the rows of
    each step, to its rows and last states."""
    gates: int
    """How many times its number of features its weights have rows."""


TANH, RELU = Kind(tanh_direction, 1), Kind(relu_direction, 1)
LSTM, GRU = Kind(lstm_direction, 4), Kind(gru_direction, 3)


@both_forms
def lstm(
    input: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    batch_sizes: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    if len(hx) != 2:
        refuse("lstm expects two hidden states", "h and c", len(hx))
    # a projected h has another width than c, and a weight that makes it
    each = 2 + 2 * has_biases + (hx[0].shape[-1:] != hx[1].shape[-1:])
    layers = _layers("lstm", params, each, num_layers, bidirectional)
    sizes = _checked("lstm", LSTM, input, batch_sizes, hx, layers, batch_first)
    return _stacked(LSTM, input, batch_sizes is not None, sizes, hx, layers, dropout if train else 0, batch_first)


@both_forms
def gru(
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    batch_sizes: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    layers = _layers("gru", params, 2 + 2 * has_biases, num_layers, bidirectional)
    sizes = _checked("gru", GRU, input, batch_sizes, (hx,), layers, batch_first)
    return _stacked(GRU, input, batch_sizes is not None, sizes, (hx,), layers, dropout if train else 0, batch_first)


@both_forms
def rnn_tanh(
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    batch_sizes: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    layers = _layers("rnn_tanh", params, 2 + 2 * has_biases, num_layers, bidirectional)
    sizes = _checked("rnn_tanh", TANH, input, batch_sizes, (hx,), layers, batch_first)
    return _stacked(TANH, input, batch_sizes is not None, sizes, (hx,), layers, dropout if train else 0, batch_first)


@both_forms
def rnn_relu(
    input: Tensor,
    hx: Tensor,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    batch_sizes: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    layers = _layers("rnn_relu", params, 2 + 2 * has_biases, num_layers, bidirectional)
    sizes = _checked("rnn_relu", RELU, input, batch_sizes, (hx,), layers, batch_first)
    return _stacked(RELU, input, batch_sizes is not None, sizes, (hx,), layers, dropout if train else 0, batch_first)


Layers = Sequence[Sequence[Weights]]
"""For each layer, for each of its directions, the weights."""


def _layers(where: str, params: Sequence[Tensor], each: int, num_layers: int, bidirectional: bool) -> Layers:
    directions = 2 if bidirectional else 1
    if len(params) != num_layers * directions * each:
        expected = f"{each} for each of {num_layers} layers in {directions} directions"
        refuse(f"{where}: got an incorrect number of RNN parameters", expected, len(params))
    weights = [params[start : start + each] for start in range(0, len(params), each)]
    all_of = [[*w[:2], None, None, *w[2:]] if each < 4 else w for w in weights]
    return [all_of[start : start + directions] for start in range(0, len(all_of), directions)]


def _checked(
    where: str,
    kind: Kind,
    input: Tensor,
    batch_sizes: Tensor | None,
    states: Sequence[Tensor],
    layers: Layers,
    batch_first: bool,
) -> list[int]:
    """The rows of each step."""
    require_dtypes(where, input, *states, *(w for layer in layers for weights in layer for w in weights))
    # of a sequence without a batch axis torch's GRU refuses, and the others make something else
    error = IndexError if kind is GRU else NotImplementedError
    require_axes(where, input, 3 if batch_sizes is None else 2, error)
    if batch_sizes is not None:
        sizes = sizes_of(where, input, batch_sizes)
    else:
        B, T = input.shape[:2] if batch_first else (input.shape[1], input.shape[0])
        sizes = [B] * T
        if T == 0:
            refuse(f"{where}: Expected sequence length to be larger than 0 in RNN", "a step or more", "none")
    count = sum(map(len, layers))
    for name, state in zip(("hx", "cx"), states, strict=False):
        require_axes(f"{where}, {name}", state, 3, RuntimeError if kind in (RELU, TANH) else IndexError)
        if len(state) != count:
            refuse(f"{where}: Expected more hidden states in stacked_rnn", f"{count}", f"{name} {tuple(state.shape)}")
        if state.shape[1] != sizes[0]:
            expected = f"{name} of batch size {sizes[0]}, which must match that of the input"
            refuse(f"{where}: hidden state", expected, state.shape[1])
    hidden_size, size = states[0].shape[2], states[-1].shape[2]
    width = input.shape[-1]
    for layer in layers:
        for weights in layer:
            require_weights(where, width, hidden_size, kind.gates, weights, size=size)
        width = len(layer) * hidden_size
    return sizes


def _stacked(
    kind: Kind,
    input: Tensor,
    packed: bool,
    sizes: Sequence[int],
    states: Sequence[Tensor],
    layers: Layers,
    dropout: float,
    batch_first: bool,
) -> Any:
    """All layers, each in its directions: the output of the last, and the last states of all."""
    steps = input.transpose(0, 1) if batch_first else input
    # of packed rows those behind the last step belong to none
    rows = wide(steps[: sum(sizes)] if packed else steps.reshape(sum(sizes), steps.shape[2]))  # (N, D)
    first = list(zip(*map(wide, states), strict=True))
    last: list[tuple[Tensor, ...]] = []
    for number, layer in enumerate(layers):
        if number and dropout:
            rows = _dropped(rows, dropout)
        outputs = []
        for reverse, weights in enumerate(layer):
            given = [None if w is None else wide(w) for w in weights]
            output, ends = kind.direction(rows, first[len(last)], given, bool(reverse), sizes)
            outputs.append(output)
            last.append(ends)
        rows = torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]
    y = rows.to(input.dtype)
    if not packed:
        y = y.view(*steps.shape[:2], rows.shape[1])
    return y.transpose(0, 1) if batch_first else y, *(torch.stack(ends).to(y.dtype) for ends in zip(*last, strict=True))


def _dropped(rows: Tensor, p: float) -> Tensor:
    if not 0 <= p <= 1:
        refuse("dropout probability has to be between 0 and 1", "0 <= dropout <= 1", p)
    return ops.dropout(rows, p, True)
