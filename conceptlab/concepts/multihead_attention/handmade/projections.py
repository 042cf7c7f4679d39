"""The projections of queries, keys and values, in as few products of matrices as there are different sequences."""

from torch import Tensor

from conceptlab.concepts.multihead_attention.handmade.refusals import given, refuse_unfit_weights
from conceptlab.core import declare

ops = declare("nn", "handmade")


def projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weights: Tensor | tuple[Tensor | None, ...] | None,
    bias: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (L, B, D), keys and values (S, B, D); B is 1 where there is no batch."""
    if isinstance(weights, tuple):
        found = _by_separate_weights((query, key, value), weights, bias)
    else:
        found = _by_packed_weight(query, key, value, given("in_proj_weight", weights), bias)
    if query.dim() == 2:
        found = [x.unsqueeze(1) for x in found]
    return found[0], found[1], found[2]


def _by_separate_weights(
    sequences: tuple[Tensor, Tensor, Tensor], weights: tuple[Tensor | None, ...], bias: Tensor | None
) -> list[Tensor]:
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    every = [given(name, weight) for name, weight in zip(names, weights, strict=True)]
    biases = (None, None, None) if bias is None else bias.chunk(3)
    refuse_unfit_weights(sequences, every, biases)
    return [ops.linear(x, w, b) for x, w, b in zip(sequences, every, biases, strict=True)]


def _by_packed_weight(query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor]:
    """By the three stretches of one weight: those that see the same sequence in one product."""
    D = query.shape[-1]
    if query is key and key is value:
        return list(ops.linear(query, weight, bias).chunk(3, dim=-1))
    sizes = [D, 2 * D] if key is value else [D, D, D]
    weights, biases = weight.split(sizes), (None,) * len(sizes) if bias is None else bias.split(sizes)
    sequences = (query, key) if key is value else (query, key, value)
    found = [ops.linear(x, w, b) for x, w, b in zip(sequences, weights, biases, strict=True)]
    return [found[0], *found[1].chunk(2, dim=-1)] if key is value else found
