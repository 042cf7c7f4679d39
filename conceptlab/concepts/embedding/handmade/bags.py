r"""Bags of words, with their derivatives.

Let word $n$ of $N$ lie in bag $b_n$. With the words' vectors $r_n = W_{w_n}$ and factors $p_n$ (1 where there are none)

$$ y_b = \frac1{m_b} \sum_{n :\, b_n = b} p_n r_n $$

where $m_b$ is the number of words in the bag for ``mode="mean"``, and 1 for ``"sum"``. Again a selection: every word
belongs to one bag, so that the gradient $g_b$ of a bag is handed to each of its words, and from there on as the product
rule and the lookup have it,

$$ \frac{\partial L}{\partial r_n} = \frac{p_n}{m_{b_n}}\, g_{b_n}, \qquad
   \frac{\partial L}{\partial p_n} = \frac1{m_{b_n}} \sum_d g_{b_n d}\, r_{nd}, \qquad
   \frac{\partial L}{\partial W_v} = \sum_{n :\, w_n = v} \frac{\partial L}{\partial r_n} $$

The value is linear in $W$ and in $p$, so that forward mode has one such sum for each. $W$ and $p$ are kept, and the
rows $r$, of which there are many, looked up again.

**Maximum.** Each number of a bag is that of one of its words: $y_{bd} = W_{v_{bd} d}$, where $v_{bd}$ is the word with
the largest number, the first among equals. A lookup for each number, with the transpose

$$ \frac{\partial L}{\partial W_{vd}} = \sum_{b :\, v_{bd} = v} g_{bd} $$

What counts in no bag, padding and words behind the last offset, is put in one bag more, $B$, that is left out.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.embedding.handmade.lookup import can_be_sparse, shorten, transposed
from conceptlab.core import Rule, is_recorded, message, save, warn, wide


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    if weight.dtype is torch.int64 and input.is_floating_point():
        warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=3,
        )
        weight, input = input, weight
    if weight.is_meta:
        # torch's own lets a table without numbers be asked by words that have theirs
        input = input.to("meta")
        offsets, per_sample_weights = (None if x is None else x.to("meta") for x in (offsets, per_sample_weights))
    _check_options(weight, mode, padding_idx, by_frequency=scale_grad_by_freq, sparse=sparse)
    _check_factors(input, weight, per_sample_weights, mode)
    words, bags, count = _sorted_into_bags(input, offsets, include_last_offset)
    padding = None if padding_idx is None else padding_idx % weight.shape[0]
    if padding is not None:
        bags = bags.masked_fill(words == padding, count)
    try:
        if max_norm is not None:
            shorten(weight, words, max_norm, norm_type)
        if mode == "max":
            return _Maximum.call(weight, words, bags, count)[0]
        sizes = _sizes(bags, count) if mode == "mean" else None
        factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        options = padding, scale_grad_by_freq, sparse and can_be_sparse()
        return _Sum.call(weight, words, factors, bags, count, sizes, *options)
    except IndexError as error:
        expected = f"words from 0 to {weight.shape[0] - 1}"
        raise _refusal(RuntimeError, "Expected idx >= 0 && idx < num_embeddings", expected, error) from error


class _Sum(Rule):
    """Of each bag; divided by ``sizes`` (B, 1), where there are any."""

    @staticmethod
    def forward(
        weight: Tensor,
        words: Tensor,
        factors: Tensor | None,
        bags: Tensor,
        count: int,
        sizes: Tensor | None,
        padding: int | None,
        by_frequency: bool,
        sparse: bool,
    ) -> Tensor:
        rows = wide(weight.index_select(0, words))
        if factors is not None:
            rows = rows * factors.unsqueeze(1)
        sums = rows.new_zeros(count + 1, rows.shape[1]).index_add_(0, bags, rows)[:count]
        return (sums.clone() if sizes is None else sums / sizes).to(weight.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        weight, words, factors, bags, ctx.count, sizes, *ctx.options = inputs
        # the table itself is looked at by the factors' gradient alone
        save(ctx, None if factors is None else weight, words, factors, bags, sizes)
        ctx.vocabulary = weight.shape[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        weight, words, factors, bags, sizes = ctx.saved_tensors
        g = wide(grad_output)
        if sizes is not None:
            g = g / sizes
        g = torch.cat([g, g.new_zeros(1, g.shape[1])]).index_select(0, bags)
        grad_weight = grad_factors = None
        if ctx.needs_input_grad[2]:
            products = (g * weight.index_select(0, words)).sum(1)
            # chosen, since 0 times an infinite number would not be 0
            grad_factors = products.masked_fill(bags == ctx.count, 0).to(grad_output.dtype)
        if ctx.needs_input_grad[0]:
            g = g if factors is None else g * factors.unsqueeze(1)
            grad_weight = transposed(g, words, ctx.vocabulary, *ctx.options).to(grad_output.dtype)
        return grad_weight, None, grad_factors, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, weight_tangent: Tensor, _: None, factors_tangent: Tensor | None, *__: None) -> Tensor:
        weight, words, factors, bags, sizes = ctx.saved_tensors
        rest = bags, ctx.count, sizes, *ctx.options
        tangent = _Sum.call(weight_tangent, words, factors, *rest)
        return tangent if factors is None else tangent + _Sum.call(weight, words, factors_tangent, *rest)


class _Maximum(Rule):
    """The largest numbers of each bag, and the words that have them: -1 in an empty bag. Both are (B, D)."""

    @staticmethod
    def forward(weight: Tensor, words: Tensor, bags: Tensor, count: int) -> tuple[Tensor, Tensor]:
        N, D = len(words), weight.shape[1]
        B = count + 1
        # as floating-point numbers, of which a minimum is found sooner; all are exact
        places = torch.arange(N, device=words.device, dtype=torch.float32 if N < 1 << 23 else torch.float64)
        bag_of = bags.unsqueeze(1).expand(N, D)
        rows = weight.index_select(0, words)
        # torch compares by >, which NaN never passes: it is the maximum where it comes first, and nowhere else
        first = places.new_full((B,), N).scatter_reduce(0, bags, places, "amin").index_select(0, bags)
        rows = rows.masked_fill_(rows.isnan() & (places > first).unsqueeze(1), -torch.inf)
        largest = rows.new_full((B, D), -torch.inf).scatter_reduce(0, bag_of, rows, "amax")
        # the first place of each bag that is not below: below it N is added
        is_below = rows.lt if is_recorded() else rows.lt_
        below = is_below(largest.index_select(0, bags))
        candidates = torch.add(places.unsqueeze(1), below, alpha=N)
        winners = candidates.new_full((B, D), N).scatter_reduce(0, bag_of, candidates, "amin")[:count].long()
        chosen = torch.cat([words, -words.new_ones(1)]).index_select(0, winners.reshape(-1))
        return largest[:count].masked_fill(winners == N, 0), chosen.reshape(winners.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        save(ctx, output[1])
        ctx.vocabulary = inputs[0].shape[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        (chosen,) = ctx.saved_tensors
        g = wide(grad_output).masked_fill(chosen < 0, 0)
        table = g.new_zeros(ctx.vocabulary, g.shape[1])
        # written in place where it may be, else a large table is copied
        add = table.scatter_add if is_recorded() else table.scatter_add_
        return add(0, chosen.clamp(min=0), g).to(grad_output.dtype), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:
        (chosen,) = ctx.saved_tensors
        return tangent.gather(0, chosen.clamp(min=0)).masked_fill(chosen < 0, 0), None


def _sorted_into_bags(input: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[Tensor, Tensor, int]:
    """The words (N), the bag of each (N), and the number B of bags; B itself is the bag of what is in none."""
    if input.dim() == 2:
        if offsets is not None:
            _refuse(ValueError, "if input is 2D, then offsets has to be None", "None", "offsets")
        _require_indices(input.dtype)
        B, L = input.shape
        if L == 0:
            _refuse(RuntimeError, "step must be nonzero", "at least one word in each bag", "none")
        bags = torch.arange(B, device=input.device).unsqueeze(1).expand(B, L)
        return input.reshape(-1), bags.reshape(-1), B
    if input.dim() != 1:
        _refuse(ValueError, "input has to be 1D or 2D Tensor", "(B, L), or (N) and offsets", f"{input.dim()} axes")
    if offsets is None:
        raise _refusal(ValueError, "offsets has to be a 1D Tensor", "where each bag begins", None)
    if offsets.dim() != 1:
        _refuse(ValueError, "offsets has to be a 1D Tensor", "one axis", offsets.dim())
    dtype = torch.promote_types(input.dtype, offsets.dtype)
    _require_indices(dtype)
    count = len(offsets) - include_last
    if count < 0:
        _refuse(RuntimeError, "include_last_offset", "number of offset should be at least 1", 0)
    return input.to(dtype), _counted(offsets.to(dtype), len(input)), count


def _counted(offsets: Tensor, length: int) -> Tensor:
    """The bag of each of so many words: a 1 where a bag begins, and their running sum counts the bags."""
    if len(offsets):
        torch._assert_async(offsets[0] == 0, "embedding_bag: offsets[0] has to be 0: the first bag begins there")
    ones = torch.ones_like(offsets)
    try:
        begins = ones.new_zeros(length + 1).index_add(0, offsets, ones)
    except IndexError as error:
        problem = "offsets[-1] can not be greater than input's length, nor any offset negative"
        raise _refusal(RuntimeError, problem, f"numbers from 0 to {length}", error) from error
    return begins[:-1].cumsum(0) - 1


def _require_indices(dtype: torch.dtype) -> None:
    if dtype not in (torch.int64, torch.int32):
        _refuse(RuntimeError, "indices", "one of the following scalar types: Long, Int", dtype)


def _sizes(bags: Tensor, count: int) -> Tensor:
    """How many words each bag has, (B, 1); 1 where there are none, so that it divides."""
    return bags.new_zeros(count + 1).index_add(0, bags, torch.ones_like(bags))[:count].clamp(min=1).unsqueeze(1)


def _check_options(weight: Tensor, mode: str, padding_idx: int | None, *, by_frequency: bool, sparse: bool) -> None:
    if weight.dim() != 2:
        _refuse(ValueError, "weight has to be a 2D Tensor", "(V, D)", f"{weight.dim()} axes")
    if mode not in ("sum", "mean", "max"):
        _refuse(ValueError, "mode has to be one of sum, mean or max", "one of these", repr(mode))
    if mode == "max" and by_frequency:
        problem = "max mode does not support scaling the gradient by the frequency"
        _refuse(ValueError, problem, "scale_grad_by_freq=False", True)
    if mode == "max" and sparse:
        _refuse(ValueError, "max mode does not support sparse weights", "sparse=False", True)
    if not weight.is_floating_point():
        expected = "one of the following scalar types: Half, BFloat16, Float, Double"
        _refuse(RuntimeError, "weight", expected, weight.dtype)
    V = weight.shape[0]
    if padding_idx is not None and not -V <= padding_idx < V:
        problem = "padding_idx must be within the number of embeddings"
        _refuse(RuntimeError, problem, f"{-V} through {V - 1}", padding_idx)


def _check_factors(input: Tensor, weight: Tensor, factors: Tensor | None, mode: str) -> None:
    if input.is_nested:
        _refuse(NotImplementedError, "nested words", "a flat input with offsets", "a nested tensor")
    if factors is None:
        return
    if factors.shape != input.shape:
        problem = "per_sample_weights must have the same shape as the input"
        _refuse(ValueError, problem, tuple(input.shape), tuple(factors.shape))
    if mode != "sum":
        _refuse(NotImplementedError, "per_sample_weights is only supported for mode='sum'", "'sum'", repr(mode))
    if factors.dtype != weight.dtype:
        _refuse(RuntimeError, "per_sample_weights must have the same type as weight", weight.dtype, factors.dtype)


def _refuse(error: type[Exception], problem: str, expected: object, received: object) -> None:
    raise _refusal(error, problem, expected, received)


def _refusal(error: type[Exception], problem: str, expected: object, received: object) -> Exception:
    remedy = "conceptlab's page of embedding tells shapes and dtypes."
    return error(message(f"embedding_bag: {problem}", expected=str(expected), received=str(received), remedy=remedy))
