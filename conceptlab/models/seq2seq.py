"""From one sequence to another: an encoder, a decoder, and attention between them."""

import math

import torch
from torch import Tensor, nn


class Seq2Seq(nn.Module):
    r"""A recurrent encoder in both directions and a recurrent decoder that looks back at what was read.

    Each state $q_t$ of the decoder asks all states $k_s$ of the encoder, and what it is told goes into its answer:

    $$ a_t = \mathrm{softmax}_s\left(\frac{q_t \cdot k_s}{\sqrt D}\right), \qquad
       h_t = \tanh(W [q_t; \textstyle\sum_s a_{ts} k_s]), \qquad z_t = V h_t $$

    The decoder has the states first where the encoder ended. Its input is the token before; to begin with, a token of
    its own.

    Sources: Bahdanau et al., *Neural machine translation by jointly learning to align and translate*, 2015; Luong et
    al., *Effective approaches to attention-based neural machine translation*, 2015, whose order this is.

    Args:
        vocabulary: how many tokens there are, in either sequence.
        width: of embeddings and states; even, since each direction of the encoder has one half.
        dropout: the probability with which a value is dropped in training.
    """

    def __init__(self, vocabulary: int, width: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.start = vocabulary
        self.tokens = nn.Embedding(vocabulary + 1, width)
        self.encoder = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(width, width, batch_first=True)
        self.keys = nn.Linear(width, width, bias=False)
        self.weigh = nn.Softmax(dim=2)
        self.join = nn.Linear(2 * width, width)
        self.activation = nn.Tanh()
        self.drop = nn.Dropout(dropout)
        self.logits = nn.Linear(width, vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits of each token of the target, given those before it, (B, S) and (B, L) → (B, L, V)."""
        read, state = self.encode(source)
        start = torch.full_like(target[:, :1], self.start)
        return self.decode(torch.cat([start, target[:, :-1]], dim=1), read, state)[0]

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """What was read at each position, (B, S, D), and the decoder's first state, (1, B, D)."""
        read, last = self.encoder(self.drop(self.tokens(source)))  # (B, S, D), (2, B, D/2)
        return read, torch.cat([last[0], last[1]], dim=1).unsqueeze(0)

    def decode(self, before: Tensor, read: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, L, V), given the tokens before, (B, L); the state after them; and the attention, (B, L, S)."""
        queries, state = self.decoder(self.drop(self.tokens(before)), state)
        scores = queries @ self.keys(read).transpose(1, 2) / math.sqrt(queries.shape[2])
        attention = self.weigh(scores)
        told = self.activation(self.join(torch.cat([queries, attention @ read], dim=2)))
        return self.logits(self.drop(told)), state, attention

    @torch.no_grad()
    def translate(self, source: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """The likeliest token, one after the other: (B, length), and the attention for each, (B, length, S)."""
        read, state = self.encode(source)
        token = torch.full_like(source[:, :1], self.start)
        tokens, maps = [], []
        for _ in range(length):
            logits, state, attention = self.decode(token, read, state)
            token = logits.argmax(2)
            tokens.append(token)
            maps.append(attention)
        return torch.cat(tokens, dim=1), torch.cat(maps, dim=1)
