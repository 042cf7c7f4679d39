"""The layers of a single step."""

from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Tiered, message


class _Cell(Tiered, torch.nn.RNNCellBase):
    def reset_parameters(self) -> None:
        bound = 1 / self.hidden_size**0.5 if self.hidden_size > 0 else 0
        for weight in self.parameters():
            self.ops.uniform_(weight, -bound, bound)

    def _inputs(self, input: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """The input and the states as a batch, zeros where there is no state."""
        where = f"{type(self).__name__}: Expected"
        for name, given in {"input": input, **states}.items():
            if given.dim() not in (1, 2):
                raise ValueError(
                    message(
                        f"{where} {name} to be 1D or 2D, got {given.dim()}D instead",
                        expected="(B, features), or (features) of a single sample",
                        received=f"shape {tuple(given.shape)}",
                        remedy="Give one step of a sequence; RNN, LSTM and GRU take all of them.",
                    )
                )
        return tuple(given if input.dim() == 2 else given.unsqueeze(0) for given in (input, *states.values()))

    def _zeros(self, input: Tensor) -> Tensor:
        return torch.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype, device=input.device)

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh


class RNNCell(_Cell, torch.nn.RNNCell):
    """One step of a plain recurrent network, with tanh or relu as ``nonlinearity``.

    >>> cell = RNNCell(2, 3)
    >>> h = torch.zeros(4, 3)
    >>> for x in torch.ones(5, 4, 2):
    ...     h = cell(x, h)
    >>> h.shape
    torch.Size([4, 3])
    """

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        batch, h = self._inputs(input, {"hidden": self._zeros(input) if hx is None else hx})
        if self.nonlinearity == "tanh":
            output = self.ops.rnn_tanh_cell(batch, h, *self._weights())
        elif self.nonlinearity == "relu":
            output = self.ops.rnn_relu_cell(batch, h, *self._weights())
        else:
            raise RuntimeError(
                message(
                    f"RNNCell: Unknown nonlinearity: {self.nonlinearity}",
                    expected="'tanh' or 'relu'",
                    received=repr(self.nonlinearity),
                    remedy="Choose one of the two.",
                )
            )
        return output if input.dim() == 2 else output.squeeze(0)


class LSTMCell(_Cell, torch.nn.LSTMCell):
    """One step of an LSTM: the new h and c.

    >>> h, c = LSTMCell(2, 3)(torch.ones(4, 2))
    >>> h.shape, c.shape
    (torch.Size([4, 3]), torch.Size([4, 3]))
    """

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        # two tensors, since the compiler takes none twice
        given = (self._zeros(input), self._zeros(input)) if hx is None else hx
        batch, *states = self._inputs(input, {f"hx[{number}]": state for number, state in enumerate(given)})
        h, c = self.ops.lstm_cell(batch, states, *self._weights())
        return (h, c) if input.dim() == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(_Cell, torch.nn.GRUCell):
    """One step of a gated recurrent unit.

    >>> GRUCell(2, 3)(torch.ones(4, 2)).shape
    torch.Size([4, 3])
    """

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        batch, h = self._inputs(input, {"hidden": self._zeros(input) if hx is None else hx})
        output = self.ops.gru_cell(batch, h, *self._weights())
        return output if input.dim() == 2 else output.squeeze(0)
