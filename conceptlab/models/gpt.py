"""A decoder-only Transformer that predicts the next token."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conceptlab.core import message
from conceptlab.models.sampling import draw


class Attention(nn.Module):
    """Causal self-attention: each position looks at itself and at those before it, with several heads."""

    def __init__(self, width: int, heads: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)"""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, N, T, D/N)
            for part in self.queries_keys_values(x).chunk(3, dim=2)
        )
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.out(seen.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then two linear layers with GELU, each on normalized input and beside a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, bias=bias)
        self.attention = Attention(width, heads, dropout, bias)
        self.norm2 = nn.LayerNorm(width, bias=bias)
        self.widen = nn.Linear(width, 4 * width, bias=bias)
        self.activation = nn.GELU()
        self.narrow = nn.Linear(4 * width, width, bias=bias)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)"""
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.narrow(self.activation(self.widen(self.norm2(x)))))


class GPT(nn.Module):
    """Embeddings of tokens and positions, pre-norm blocks, a last normalization, and logits by the token embedding
    itself (tied weights).

    The first weights are nanoGPT's: normal with a standard deviation of 0.02, and for the layers that end a shortcut's
    side branch $0.02 / \\sqrt{2 \\cdot \\text{layers}}$, so that the sum over the branches does not grow with their
    number.

    Sources: Radford et al., *Language models are unsupervised multitask learners*, 2019; Karpathy, *nanoGPT*, 2022.

    Args:
        vocabulary: how many tokens there are.
        context: how many tokens the model sees at once, at most.
        layers: the number of blocks.
        heads: of the attention in each block.
        width: of the embeddings.
        dropout: the probability with which a value is dropped in training.
        bias: whether linear layers and normalizations add a bias.

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        layers: int = 4,
        heads: int = 4,
        width: int = 128,
        dropout: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            remedy = "Change one of them."
            raise ValueError(
                message("GPT", expected=f"heads that divide the width, {width}", received=str(heads), remedy=remedy)
            )
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout, bias) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=bias)
        self.logits = nn.Linear(width, vocabulary, bias=False)
        self.logits.weight = self.tokens.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                ends_a_branch = name.endswith(("out.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * len(self.blocks)) if ends_a_branch else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of each next token, (B, T) → (B, T, V).

        Raises:
            ValueError: there are more tokens than the context holds.
        """
        length = tokens.shape[1]
        if length > self.context:
            received = f"{length}"
            remedy = "Shorten them, or build the model with a longer context."
            raise ValueError(
                message("GPT", expected=f"at most {self.context} tokens", received=received, remedy=remedy)
            )
        positions = torch.arange(length, device=tokens.device)
        x = self.drop(self.tokens(tokens) + self.positions(positions))
        return self.logits(self.norm(self.blocks(x)))

    @torch.no_grad()
    def generate(
        self,
        tokens: Tensor,
        count: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Go on from these tokens with ``count`` more, each drawn given those before it, (B, T) → (B, T + count).

        Args:
            tokens: at least one.
            count: how many to add.
            temperature: below 1 the likely becomes likelier, at 0 the likeliest is taken.
            top_k: only so many of the likeliest are drawn from; None leaves all.
            generator: of the random numbers.
        """
        for _ in range(count):
            logits = self(tokens[:, -self.context :])[:, -1]
            tokens = torch.cat([tokens, draw(logits, temperature, top_k, generator).unsqueeze(1)], dim=1)
        return tokens
