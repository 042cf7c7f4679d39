r"""Recurrence: read a sequence step by step, and carry along what was read as a state.

At step $t$ the state $h_{t-1}$ and the next input $x_t$ make the next state. With the weighted sums

$$ a = W_{ih} x_t + b_{ih}, \qquad u = W_{hh} h_{t-1} + b_{hh} $$

in as many parts as there are gates, and $\sigma$ the sigmoid, whose values between 0 and 1 let pass or hold back:

**RNN**, with $\varphi$ = tanh or relu:

$$ h_t = \varphi(a + u) $$

**LSTM**, which keeps a second state $c$. The gates $i, f, o$ say what is written, kept and shown:

$$ i, f, o = \sigma(a_i + u_i),\ \sigma(a_f + u_f),\ \sigma(a_o + u_o), \qquad g = \tanh(a_g + u_g), $$
$$ c_t = f\, c_{t-1} + i\, g, \qquad h_t = o \tanh c_t \quad (\text{with a projection } h_t = W_{hr}\, o \tanh c_t) $$

**GRU**, whose gates $r$ and $z$ say how much of the past is used and how much stays:

$$ r, z = \sigma(a_r + u_r),\ \sigma(a_z + u_z), \qquad n = \tanh(a_n + r\, u_n), \qquad
   h_t = (1 - z)\, n + z\, h_{t-1} $$

| symbol | argument | |
|---|---|---|
| $x$ | ``input`` | (T, B, D), with ``batch_first`` (B, T, D), of a single sequence (T, D); of a cell ([B,] D) |
| $h_0, c_0$ | ``hx`` | (L, B, H) each, L layers times directions; zeros where a layer gets none; of a cell ([B,] H) |
| $W_{ih}, W_{hh}$ | ``w_ih``, ``w_hh`` | (G · H, D), (G · H, H); G = 1, 4 parts $i, f, g, o$ or 3 parts $r, z, n$ |
| $b_{ih}, b_{hh}$ | ``b_ih``, ``b_hh`` | (G · H), or none |
| $W_{hr}$ | in ``params``, by ``proj_size`` | (P, H), after which $h$ has P features |

A layer reads the outputs $h_1 \dots h_T$ of the layer below. With ``bidirectional`` each has a second set of weights
that reads from the end, and the two outputs are put side by side. ``params`` holds for each layer, for each
direction, $W_{ih}, W_{hh}, b_{ih}, b_{hh}, W_{hr}$, as far as there are such. The result is the outputs of the last
layer (T, B, H), with two directions (T, B, 2 H), and the last states of all layers.

Sequences of different lengths come **packed**: ``data`` has the rows of the first step of all sequences, then those
of the second, and so on, the longest sequence first; ``batch_sizes`` says how many rows each step has. A sequence
ends without waiting for the others, and the direction from the end begins at its own last step.

Training drops values between the layers with probability ``dropout``, torch's on a CPU with the same seed; evaluation
does not. A new layer draws all weights evenly from $\pm 1 / \sqrt{H}$. Half precision is computed in float32 from the
first step to the last, where torch rounds at every step. Under autocast plain networks run in the lower precision, the
others in that of their state, as the result has it in torch; and an LSTM of a batch in the lower one, too, on a
processor with instructions for it.

Source: Elman, *Finding structure in time*, 1990; Hochreiter, Schmidhuber, *Long short-term memory*, 1997; Gers et
al., *Learning to forget*, 2000; Cho et al., *Learning phrase representations using RNN encoder-decoder*, 2014; Sak et
al., *Long short-term memory based recurrent neural network architectures*, 2014 (projections)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.recurrence._cells import GRUCell, LSTMCell, RNNCell
from conceptlab.concepts.recurrence._forms import is_packed
from conceptlab.concepts.recurrence._sequences import GRU, LSTM, RNN
from conceptlab.core import Concept, Function
from conceptlab.core.autocast import Policy

_HAS_ONEDNN = torch.backends.mkldnn.is_available()
_BY_ONEDNN = {
    torch.bfloat16: _HAS_ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    torch.float16: _HAS_ONEDNN and torch.ops.mkldnn._is_mkldnn_fp16_supported(),
}
"""In which precisions the processor has instructions for a whole LSTM, which torch then uses."""


def _by_state(hx: Tensor | Sequence[Tensor]) -> Mapping[str, Policy]:
    """On a CPU torch makes the sums in the lower precision, and what they do to the state in that of the state."""
    state = hx if isinstance(hx, Tensor) else hx[-1]
    return {"cpu": "float32" if state.dtype is torch.float32 else "lower", "cuda": "lower"}


def _of_cell(input: Tensor, hx: Tensor | Sequence[Tensor], *args: Any, **kwargs: Any) -> Mapping[str, Policy]:
    return _by_state(hx)


def _of_gru(*args: Any, **kwargs: Any) -> Mapping[str, Policy]:
    return _by_state(kwargs["hx"] if "hx" in kwargs else args[2 if is_packed(args, kwargs) else 1])


def _of_lstm(*args: Any, **kwargs: Any) -> Policy | Mapping[str, Policy]:
    """Of a batch all is in the lower precision where oneDNN computes it."""
    by_onednn = _BY_ONEDNN[torch.get_autocast_dtype("cpu")] and not is_packed(args, kwargs)
    return "lower" if by_onednn else _of_gru(*args, **kwargs)


CONCEPT = Concept(
    title="recurrence",
    home=torch,
    functions={
        "rnn_tanh": Function(autocast="lower"),
        "rnn_relu": Function(autocast="lower"),
        "lstm": Function(autocast=_of_lstm),
        "gru": Function(autocast=_of_gru),
        "rnn_tanh_cell": Function(autocast="lower"),
        "rnn_relu_cell": Function(autocast="lower"),
        "lstm_cell": Function(autocast=_of_cell),
        "gru_cell": Function(autocast=_of_cell),
    },
    classes={
        RNN: ("rnn_tanh", "rnn_relu", "uniform_"),
        LSTM: ("lstm", "uniform_"),
        GRU: ("gru", "uniform_"),
        RNNCell: ("rnn_tanh_cell", "rnn_relu_cell", "uniform_"),
        LSTMCell: ("lstm_cell", "uniform_"),
        GRUCell: ("gru_cell", "uniform_"),
    },
)
