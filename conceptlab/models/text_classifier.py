"""Classifiers of texts, which read them as a bag of words, one word after the other, or all at once."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from conceptlab.core import message

PADDING = 0
"""The token that stands for no word."""


class Bag(nn.Module):
    """The mean of the words' embeddings, whatever their order."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=PADDING)

    def forward(self, words: Tensor) -> Tensor:
        """(B, T) → (B, D)"""
        return self.bag(words)


class Recurrent(nn.Module):
    """The last states of an LSTM in both directions; padding is not read."""

    def __init__(self, vocabulary: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(width, width // 2, layers, batch_first=True, dropout=between, bidirectional=True)

    def forward(self, words: Tensor) -> Tensor:
        """(B, T) → (B, D)"""
        # lengths belong on the CPU, wherever the words are
        lengths = (words != PADDING).sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.words(words), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)  # (layers·2, B, D/2)
        return torch.cat([last[-2], last[-1]], dim=1)


class Attentive(nn.Module):
    """The mean over the words of what a Transformer's encoder says of each; padding is not looked at."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        self.positions = nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, words: Tensor) -> Tensor:
        """(B, T) → (B, D)"""
        absent = words == PADDING
        positions = torch.arange(words.shape[1], device=words.device)
        said = self.encoder(self.words(words) + self.positions(positions), src_key_padding_mask=absent)
        present = (~absent).unsqueeze(2).to(said.dtype)
        return (said * present).sum(1) / present.sum(1).clamp(min=1)


class TextClassifier(nn.Module):
    """A reader, which makes one vector of a text, dropout, and a linear layer to the logits.

    Sources: Joulin et al., *Bag of tricks for efficient text classification*, 2016; Vaswani et al., *Attention is all
    you need*, 2017.

    Args:
        vocabulary: how many words there are; number 0 is padding.
        length: how many words a text has, at most.
        classes: the number of classes.
        reader: a ``bag`` of embeddings, an ``lstm`` or a ``transformer``.
        width: of the embeddings and of the vector.
        layers: of the LSTM or the Transformer.
        heads: of the Transformer.
        dropout: the probability with which a value is dropped in training.

    Raises:
        ValueError: the heads do not divide the width, or an LSTM's two directions cannot share it.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        classes: int,
        reader: Literal["bag", "lstm", "transformer"] = "bag",
        width: int = 64,
        layers: int = 1,
        heads: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        shares = {"bag": 1, "lstm": 2, "transformer": heads}[reader]
        if width % shares:
            remedy = "Change model.width or model.heads."
            expected = f"a width that can be divided by {shares}"
            raise ValueError(message("TextClassifier", expected=expected, received=str(width), remedy=remedy))
        make: dict[str, Callable[[], nn.Module]] = {
            "bag": lambda: Bag(vocabulary, width),
            "lstm": lambda: Recurrent(vocabulary, width, layers, dropout),
            "transformer": lambda: Attentive(vocabulary, length, width, layers, heads, dropout),
        }
        self.reader = make[reader]()
        self.drop = nn.Dropout(dropout)
        self.logits = nn.Linear(width, classes)

    def forward(self, words: Tensor) -> Tensor:
        """(B, T) → (B, classes)"""
        return self.logits(self.drop(self.reader(words)))
