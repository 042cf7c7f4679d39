"""Cells: a single step, which is a sequence of length 1."""

from collections.abc import Sequence

from torch import Tensor

from conceptlab.concepts.recurrence.handmade.refusal import refuse, require_axes, require_dtypes, require_weights
from conceptlab.concepts.recurrence.handmade.sequences import GRU, LSTM, RELU, TANH, Kind
from conceptlab.core import wide


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    (h,) = _step("rnn_tanh_cell", TANH, input, (hx,), w_ih, w_hh, b_ih, b_hh)
    return h


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    (h,) = _step("rnn_relu_cell", RELU, input, (hx,), w_ih, w_hh, b_ih, b_hh)
    return h


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    if len(hx) != 2:
        refuse("lstm_cell expects two hidden states", "h and c", len(hx))
    if hx[1].dtype != hx[0].dtype:
        refuse("lstm_cell by hand", "h and c of the same dtype", hx[1].dtype, NotImplementedError)
    h, c = _step("lstm_cell", LSTM, input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    (h,) = _step("gru_cell", GRU, input, (hx,), w_ih, w_hh, b_ih, b_hh)
    # as torch's, which begins with the old state, it lies in memory as that does
    return h.t().contiguous().t() if hx.t().is_contiguous() else h


def _step(
    where: str,
    kind: Kind,
    input: Tensor,
    states: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> tuple[Tensor, ...]:
    """The new states."""
    weights = w_ih, w_hh, b_ih, b_hh
    require_dtypes(where, input, *states, *weights)
    require_axes(where, input, 2)
    _check_shapes(where, input, states, w_ih, w_hh)
    require_weights(where, w_ih.shape[1], w_hh.shape[1], kind.gates, weights, size=w_hh.shape[1])
    given = [None if w is None else wide(w) for w in weights]
    _, ends = kind.direction(wide(input), [wide(state) for state in states], given, False, [len(input)])
    return tuple(end.to(input.dtype) for end in ends)


def _check_shapes(where: str, input: Tensor, states: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor) -> None:
    D, H = w_ih.shape[1], w_hh.shape[1]
    if input.shape[1] != D:
        problem = f"{where}: input has inconsistent input_size: got {input.shape[1]} expected {D}"
        refuse(problem, f"(B, {D})", tuple(input.shape))
    for number, state in enumerate(states):
        require_axes(where, state, 2)
        if len(state) != len(input):
            problem = f"{where}: Input batch size {len(input)} doesn't match hidden{number} batch size {len(state)}"
            refuse(problem, f"({len(input)}, {H})", tuple(state.shape))
        if state.shape[1] != H:
            problem = f"{where}: hidden{number} has inconsistent hidden_size: got {state.shape[1]}, expected {H}"
            refuse(problem, f"({len(input)}, {H})", tuple(state.shape))
