"""A recurrent network that continues a series, beside a linear one."""

from torch import Tensor, nn

from conceptlab.models.char_rnn import RECURRENT, Kind


class Forecaster(nn.Module):
    r"""The sum of a linear autoregression and of what recurrent layers add to it:

    $$ \hat x_{t+1} = \sum_{i=1}^{T} a_i x_{t+1-i} + w \cdot h_t + b $$

    with $h_t$ the last state. The linear term follows the series where it goes beyond what has been seen, which a state
    between −1 and 1 cannot.

    Source: Lai et al., *Modeling long- and short-term temporal patterns with deep neural networks*, 2018, section 3.6.

    Args:
        order: $T$, the values that a forecast is made from.
        kind: of the recurrence.
        layers: how many recurrent layers stand above one another.
        width: of the state.
        dropout: the probability with which a value of the last state is dropped in training.
    """

    def __init__(self, order: int, kind: Kind = "gru", layers: int = 1, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(order, 1, bias=False)
        self.rnn = RECURRENT[kind](1, width, layers, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(width, 1)

    def forward(self, series: Tensor) -> Tensor:
        """(B, T, 1) → (B, 1)"""
        states, _ = self.rnn(series)
        return self.linear(series.squeeze(2)) + self.head(self.drop(states[:, -1]))
