"""From logits to the next token."""

import torch
from torch import Tensor


def draw(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator | None) -> Tensor:
    r"""One token for each row of logits, (B, V) → (B), drawn with the probabilities $\mathrm{softmax}(z / \tau)$.

    >>> draw(torch.tensor([[0.0, 2.0, 1.0]]), temperature=0.0, top_k=None, generator=None)
    tensor([1])

    Args:
        logits: $z$.
        temperature: $\tau$: below 1 the likely becomes likelier, at 0 the likeliest is taken.
        top_k: only so many of the likeliest are drawn from; None leaves all.
        generator: of the random numbers.
    """
    if temperature == 0:
        return logits.argmax(1)
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return torch.multinomial((logits / temperature).softmax(1), 1, generator=generator).squeeze(1)
