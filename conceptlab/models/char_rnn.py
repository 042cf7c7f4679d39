"""A recurrent network that predicts the next token."""

from typing import Literal

import torch
from torch import Tensor, nn

from conceptlab.models.sampling import draw

RECURRENT = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
"""The kinds of recurrence."""

Kind = Literal["rnn", "gru", "lstm"]


class CharRNN(nn.Module):
    """An embedding, recurrent layers, and a linear layer to the logits of the next token.

    Source: Karpathy, *The unreasonable effectiveness of recurrent neural networks*, 2015.

    Args:
        vocabulary: how many tokens there are.
        kind: of the recurrence.
        layers: how many recurrent layers stand above one another.
        width: of the embedding and of the state.
        dropout: the probability with which a value between two layers is dropped in training.
    """

    def __init__(
        self, vocabulary: int, kind: Kind = "lstm", layers: int = 2, width: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.rnn = RECURRENT[kind](width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.drop = nn.Dropout(dropout)
        self.logits = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of each next token from a state of zeros, (B, T) → (B, T, V)."""
        states, _ = self.rnn(self.tokens(tokens))
        return self.logits(self.drop(states))

    @torch.no_grad()
    def generate(
        self,
        tokens: Tensor,
        count: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Go on from these tokens with ``count`` more, each drawn given all before it, (B, T) → (B, T + count).

        The state is carried along, so that each token is read once; else as `GPT.generate`.
        """
        read, state = tokens, None
        for _ in range(count):
            states, state = self.rnn(self.tokens(read), state)
            logits = self.logits(self.drop(states[:, -1]))
            read = draw(logits, temperature, top_k, generator).unsqueeze(1)
            tokens = torch.cat([tokens, read], dim=1)
        return tokens
