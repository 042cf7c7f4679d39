"""The layers of whole sequences."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from conceptlab.core import Tiered, message


class _Sequences(Tiered, torch.nn.RNNBase):
    def reset_parameters(self) -> None:
        bound = 1 / self.hidden_size**0.5 if self.hidden_size > 0 else 0
        for weight in self.parameters():
            self.ops.uniform_(weight, -bound, bound)

    def _run(self, function: Callable, input: Any, states: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        """Output and last states, from a batch, from a single sequence or from packed ones."""
        self._update_flat_weights()
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            given = self._states(data, int(batch_sizes[0]), states)
            # a packed sequence begins with its longest, and its states come in the order of the batch
            given = given if order is None else tuple(state.index_select(1, order) for state in given)
            output, last = self._call(function, data, given, batch_sizes)
            last = last if back is None else tuple(state.index_select(1, back) for state in last)
            return PackedSequence(output, batch_sizes, order, back), last
        self._check_axes(input, states)
        if input.dim() == 3:
            return self._call(function, input, self._states(input, input.shape[not self.batch_first], states), None)
        axis = 0 if self.batch_first else 1
        batch = None if states is None else tuple(state.unsqueeze(1) for state in states)
        output, last = self._call(function, input.unsqueeze(axis), self._states(input, 1, batch), None)
        return output.squeeze(axis), tuple(state.squeeze(1) for state in last)

    def _call(
        self, function: Callable, input: Tensor, states: tuple[Tensor, ...], batch_sizes: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        hx = states if self.mode == "LSTM" else states[0]
        self.check_forward_args(input, hx, batch_sizes)  # type: ignore[arg-type]
        options = self.bias, self.num_layers, self.dropout, self.training, self.bidirectional
        if batch_sizes is None:
            output, *last = function(input, hx, self._flat_weights, *options, self.batch_first)
        else:
            output, *last = function(input, batch_sizes, hx, self._flat_weights, *options)
        return output, tuple(last)

    def _states(self, input: Tensor, batch: int, states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        """The first states; zeros, where none are given."""
        if states is not None:
            return states
        count = self.num_layers * (2 if self.bidirectional else 1)
        widths = (self.proj_size or self.hidden_size, self.hidden_size) if self.mode == "LSTM" else (self.hidden_size,)
        return tuple(torch.zeros(count, batch, width, dtype=input.dtype, device=input.device) for width in widths)

    def _check_axes(self, input: Tensor, states: tuple[Tensor, ...] | None) -> None:
        name = self.mode.partition("_")[0]
        if input.dim() not in (2, 3):
            raise ValueError(
                message(
                    f"{name}: Expected input to be 2D or 3D, got {input.dim()}D instead",
                    expected="(T, B, D), (B, T, D) with batch_first, or (T, D) of a single sequence",
                    received=f"shape {tuple(input.shape)}",
                    remedy="Add or remove axes.",
                )
            )
        found = [state.dim() for state in states or ()]
        if any(dim != input.dim() for dim in found):
            kind = "batched 3-D" if input.dim() == 3 else "unbatched 2-D"
            raise RuntimeError(
                message(
                    f"{name}: For {kind} input, hx (and cx) should also be {input.dim()}-D but got {found}",
                    expected="states of as many axes as the input",
                    received=f"{found} axes beside {input.dim()}",
                    remedy="Give (layers · directions, B, H), without B for a single sequence.",
                )
            )


class RNN(_Sequences, torch.nn.RNN):
    """A plain recurrent network over whole sequences, with tanh or relu as ``nonlinearity``.

    >>> output, h = RNN(2, 3, num_layers=2)(torch.ones(5, 4, 2))
    >>> output.shape, h.shape
    (torch.Size([5, 4, 3]), torch.Size([2, 4, 3]))
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        function = self.ops.rnn_tanh if self.mode == "RNN_TANH" else self.ops.rnn_relu
        output, (h,) = self._run(function, input, None if hx is None else (hx,))
        return output, h


class LSTM(_Sequences, torch.nn.LSTM):
    """An LSTM over whole sequences: the outputs, and the last h and c.

    >>> output, (h, c) = LSTM(2, 4, bidirectional=True, proj_size=3)(torch.ones(5, 2))
    >>> output.shape, h.shape, c.shape
    (torch.Size([5, 6]), torch.Size([2, 3]), torch.Size([2, 4]))
    """

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        output, (h, c) = self._run(self.ops.lstm, input, hx)
        return output, (h, c)


class GRU(_Sequences, torch.nn.GRU):
    """A gated recurrent network over whole sequences, here of two that are packed.

    >>> from torch.nn.utils.rnn import pack_sequence
    >>> output, h = GRU(2, 3)(pack_sequence([torch.ones(5, 2), torch.ones(4, 2)]))
    >>> output.data.shape, h.shape
    (torch.Size([9, 3]), torch.Size([1, 2, 3]))
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (h,) = self._run(self.ops.gru, input, None if hx is None else (hx,))
        return output, h
