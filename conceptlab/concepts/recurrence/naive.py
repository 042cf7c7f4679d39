"""Recurrence as on the blackboard: one sequence at a time, and one step after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.recurrence._forms import both_forms
from conceptlab.core import declare

ops = declare("nn", "naive")

State = tuple[Tensor, ...]
"""h, and for an LSTM c."""

Step = Callable[..., State]
"""From x, the state and the weights w_ih, w_hh, b_ih, b_hh and, of a projection, w_hr, to the next state."""


def _tanh_step(x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> State:
    return (torch.tanh(ops.linear(x, w_ih, b_ih) + ops.linear(state[0], w_hh, b_hh)),)


def _relu_step(x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> State:
    return (ops.relu(ops.linear(x, w_ih, b_ih) + ops.linear(state[0], w_hh, b_hh)),)


def _lstm_step(
    x: Tensor,
    state: State,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    w_hr: Tensor | None = None,
) -> State:
    h, c = state
    i, f, g, o = (ops.linear(x, w_ih, b_ih) + ops.linear(h, w_hh, b_hh)).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return h if w_hr is None else ops.linear(h, w_hr), c


def _gru_step(x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> State:
    (h,) = state
    a_r, a_z, a_n = ops.linear(x, w_ih, b_ih).chunk(3, -1)
    u_r, u_z, u_n = ops.linear(h, w_hh, b_hh).chunk(3, -1)
    r, z = torch.sigmoid(a_r + u_r), torch.sigmoid(a_z + u_z)
    n = torch.tanh(a_n + r * u_n)
    return ((1 - z) * n + z * h,)


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    return _tanh_step(input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    return _relu_step(input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    h, c = _lstm_step(input, tuple(hx), w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    return _gru_step(input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


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
    layers = _layers(params, has_biases, num_layers, bidirectional)
    return _network(_tanh_step, input, batch_sizes, (hx,), layers, dropout if train else 0, batch_first)


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
    layers = _layers(params, has_biases, num_layers, bidirectional)
    return _network(_relu_step, input, batch_sizes, (hx,), layers, dropout if train else 0, batch_first)


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
    layers = _layers(params, has_biases, num_layers, bidirectional)
    return _network(_lstm_step, input, batch_sizes, hx, layers, dropout if train else 0, batch_first)


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
    layers = _layers(params, has_biases, num_layers, bidirectional)
    return _network(_gru_step, input, batch_sizes, (hx,), layers, dropout if train else 0, batch_first)


Layers = Sequence[Sequence[Sequence[Tensor | None]]]
"""For each layer, for each of its directions: w_ih, w_hh, b_ih, b_hh, and of a projection w_hr."""


def _layers(params: Sequence[Tensor], has_biases: bool, num_layers: int, bidirectional: bool) -> Layers:
    directions = 2 if bidirectional else 1
    each, rest = divmod(len(params), num_layers * directions)
    if rest:
        raise RuntimeError(f"got an incorrect number of RNN parameters: {len(params)}.")
    weights = [list(params[start : start + each]) for start in range(0, len(params), each)]
    if not has_biases:
        weights = [[*w[:2], None, None, *w[2:]] for w in weights]  # type: ignore[list-item]
    return [weights[start : start + directions] for start in range(0, len(weights), directions)]


def _network(
    step: Step,
    input: Tensor,
    batch_sizes: Tensor | None,
    states: Sequence[Tensor],
    layers: Layers,
    dropout: float,
    batch_first: bool,
) -> Any:
    steps = input.transpose(0, 1) if batch_first else input
    if len(steps) == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN, received no steps.")
    # the rows of the first step, those of the second, and so on; (N, D)
    sizes = [steps.shape[1]] * len(steps) if batch_sizes is None else batch_sizes.tolist()
    rows = steps.flatten(0, 1) if batch_sizes is None else steps[: sum(sizes)]
    last: list[list[Tensor]] = []
    for number, layer in enumerate(layers):
        if number and dropout:
            rows = ops.dropout(rows, dropout)
        outputs = []
        for reverse, weights in enumerate(layer):
            output, ends = _direction(step, rows, [s[len(last)] for s in states], weights, bool(reverse), sizes)
            outputs.append(output)
            last.append(ends)
        rows = torch.cat(outputs, 1)
    y = rows if batch_sizes is not None else rows.unflatten(0, steps.shape[:2])
    return y.transpose(0, 1) if batch_first else y, *(torch.stack(ends) for ends in zip(*last, strict=True))


def _direction(
    step: Step, rows: Tensor, first: Sequence[Tensor], weights: Sequence, reverse: bool, sizes: Sequence[int]
) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction: the outputs in the order of the rows, and the last states."""
    outputs, last = {}, []
    for number in range(sizes[0]):
        state: State = tuple(s[number] for s in first)
        own = [sum(sizes[:t]) + number for t, size in enumerate(sizes) if number < size]
        for row in reversed(own) if reverse else own:
            state = step(rows[row], state, *weights)
            outputs[row] = state[0]
        last.append(state)
    if not last:
        # of no sequence: a step without rows
        state = step(rows, tuple(first), *weights)
        return state[0], list(state)
    return torch.stack([outputs[row] for row in range(len(rows))]), [torch.stack(s) for s in zip(*last, strict=True)]
