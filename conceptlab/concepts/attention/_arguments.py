"""What the vectorised tiers have in common: the check of the arguments, their arrangement, and the scores."""

import math
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor

from conceptlab.core import message, require_real, room


class Arranged(NamedTuple):
    """The arguments as (B, H, …): B is 1 where the query has fewer axes, and holds several where it has more.

    Attributes:
        query: (B, H, L, E).
        key: (B, H, S, E).
        value: (B, H, S, Ev).
        bias: the mask, (B or 1, H or 1, L or 1, S or 1).
        kept: which weights dropout keeps, as boolean (B, H, L, S); None where it keeps all.
        scale: what the products are multiplied by.
        rest: what the kept weights are multiplied by, 1 / (1 - p).
        lead: the leading axes of the output.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    bias: Tensor | None
    kept: Tensor | None
    scale: float
    rest: float
    lead: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """Those that a rule takes."""
        return self.query, self.key, self.value, self.bias, self.kept

    def restored(self, output: Tensor) -> Tensor:
        """The output (…, L, Ev) with its own leading axes."""
        shape = (*self.lead, *output.shape[-2:])
        return output if output.shape == shape else output.reshape(shape)


def arranged(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Arranged:
    """The arguments of `scaled_dot_product_attention`, checked and arranged."""
    _check(query, key, value, attn_mask, dropout_p, is_causal)
    if enable_gqa:
        key, value = (_with_heads(each, query) for each in (key, value))
    lead = _leading_axes(query, key, value)
    L, S = query.shape[-2], key.shape[-2]
    kept = None
    if dropout_p > 0:
        kept = _draw(query, key, (*lead, L, S), dropout_p)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    return Arranged(
        _heads_second(query, lead),
        _heads_second(key, lead),
        _heads_second(value, lead),
        # where there is nothing to compute, torch does not look at the mask
        None if attn_mask is None or is_empty(query, value, lead) else _mask_heads_second(attn_mask, lead, L, S),
        None if kept is None else _heads_second(kept, lead),
        float(scale),
        1 / (1 - dropout_p) if dropout_p < 1 else 1.0,
        lead,
    )


def like_torchs(output: Tensor, query: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float) -> Tensor:
    """The output as torch has it, where its fused kernel runs and where not.

    The kernel keeps the output, which must not be overwritten then, and keeps to the query's memory format. Elsewhere
    it is new and contiguous.
    """
    is_fused = (
        query.shape == output.shape
        and query.dim() in (3, 4)
        and query.stride(-1) == value.stride(-1) == 1
        and dropout_p == 0
        and not (mask is not None and mask.requires_grad)
    )
    if not is_fused:
        return output.clone()
    if query.is_contiguous():
        return output
    strides = query.stride()
    order = sorted(range(query.dim()), key=lambda axis: -strides[axis])
    places = sorted(range(query.dim()), key=lambda axis: order[axis])
    return output.permute(order).contiguous().permute(places)


def is_empty(query: Tensor, value: Tensor, lead: tuple[int, ...]) -> bool:
    """Whether there is no key, or nothing to compute."""
    return 0 in (*lead, query.shape[-2], *value.shape[-2:])


def of_nothing(query: Tensor, key: Tensor, value: Tensor, lead: tuple[int, ...]) -> Tensor:
    """The output then: a mean of nothing is zeros, in a graph that keeps nothing.

    NaN where there is one, as torch has it. Each factor of 0 stands inside of its sum: outside, all numbers of the
    gradient would be one memory.
    """
    zero = (0 * query).sum() + (0 * key).sum() + (0 * value).sum()
    return zero + value.new_zeros(*lead, query.shape[-2], value.shape[-1])


def scores(query: Tensor, key: Tensor, scale: float, bias: Tensor | None, causal: bool) -> Tensor:
    """Of queries (…, L, E) and keys (…, S, E): (…, L, S).

    Where ``causal``, query n does not see the keys after the n-th.
    """
    of_query, of_key = roots(scale)
    s = (query * of_query) @ (key.mT * of_key)
    if bias is not None:
        s = torch.add(s, added(bias, s), out=room(s))
    if causal:
        future = torch.ones(s.shape[-2:], dtype=torch.bool, device=s.device).triu(1)
        s = s.masked_fill(future, -math.inf)
    return s


def roots(scale: float) -> tuple[float, float]:
    """The scale in two factors, one for the queries and one for the keys, as torch has it."""
    root = math.sqrt(abs(scale))
    return math.copysign(root, scale), root


def added(bias: Tensor, like: Tensor) -> Tensor:
    """The mask as numbers that are added to scores: -∞ for False."""
    if bias.dtype is not torch.bool:
        return bias
    return torch.zeros_like(bias, dtype=like.dtype).masked_fill(bias.logical_not(), -math.inf)


def refuse(error: type[Exception], problem: str, expected: str, received: object) -> NoReturn:
    remedy = "conceptlab's page of attention tells shapes and dtypes."
    raise error(
        message(f"scaled_dot_product_attention: {problem}", expected=expected, received=str(received), remedy=remedy)
    )


def _check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool) -> None:
    tensors = [tensor for tensor in (q, k, v, mask) if tensor is not None]
    if any(tensor.is_nested for tensor in tensors):
        refuse(NotImplementedError, "nested tensors by hand", "padded tensors with attn_mask", "a nested tensor")
    if min(q.dim(), k.dim(), v.dim()) < 2:
        received = f"query.dim: {q.dim()} key.dim: {k.dim()} value.dim: {v.dim()}"
        refuse(RuntimeError, "too few axes", "query, key, and value to all be at least 2 dimensional", received)
    if not q.dtype == k.dtype == v.dtype:
        refuse(
            RuntimeError,
            "mixed dtypes",
            "query, key, and value to have the same dtype",
            f"{q.dtype}, {k.dtype}, {v.dtype}",
        )
    require_real("scaled_dot_product_attention", q)
    if not q.is_floating_point():
        refuse(RuntimeError, "no fractions", "expected scalar type Float, or another floating one", q.dtype)
    if q.shape[-1] != k.shape[-1]:
        refuse(RuntimeError, "query and key of another size", f"key with {q.shape[-1]} features", k.shape[-1])
    if k.shape[-2] != v.shape[-2]:
        refuse(RuntimeError, "key and value of another size", f"{k.shape[-2]} values, one for each key", v.shape[-2])
    if not 0 <= dropout_p <= 1:
        refuse(RuntimeError, "dropout probability has to be between 0 and 1", "0 <= dropout_p <= 1", dropout_p)
    if mask is not None:
        if is_causal:
            refuse(RuntimeError, "Explicit attn_mask should not be set when is_causal=True", "one of the two", "both")
        if mask.dtype not in (torch.bool, torch.float32, q.dtype):
            refuse(RuntimeError, "attn_mask dtype", f"bool or float or {q.dtype}, that of the query", mask.dtype)


def _with_heads(each: Tensor, query: Tensor) -> Tensor:
    """Keys or values (…, H', S, E), repeated for the queries' H heads, H / H' of which share one."""
    if min(each.dim(), query.dim()) < 3:
        refuse(
            IndexError,
            "enable_gqa without heads",
            "(…, H, L, E)",
            f"shapes {tuple(query.shape)} and {tuple(each.shape)}",
        )
    heads, own = query.shape[-3], each.shape[-3]
    if heads == own:
        return each
    if own == 0 or heads % own:
        problem = "Number of heads in key and value must divide the number of heads in query"
        refuse(RuntimeError, problem, f"a divisor of {heads}", own)
    *lead, _, S, E = each.shape
    return each.unsqueeze(-3).expand(*lead, own, heads // own, S, E).reshape(*lead, heads, S, E)


def _leading_axes(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    if query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        return tuple(query.shape[:-2])
    try:
        return tuple(torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2]))
    except RuntimeError:
        shapes = ", ".join(str(tuple(each.shape)) for each in (query, key, value))
        expected = "the size of batch and heads to match, or enable_gqa"
        refuse(RuntimeError, "batch or heads of query, key and value do not match", expected, shapes)


def _draw(query: Tensor, key: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Which weights are kept: all that torch draws, at once and in its order, in a byte each."""
    # of both, so that `vmap` over either one draws for each sample
    like = query[..., :1, :1] * key[..., :1, :1]
    if p == 1:
        return like.new_zeros(shape, dtype=torch.bool)  # without a draw
    return like.new_empty(shape, dtype=torch.bool).bernoulli_(1 - p)


def _heads_second(each: Tensor, lead: tuple[int, ...]) -> Tensor:
    """(*lead, M, N) as (B, H, M, N), broadcast."""
    M, N = each.shape[-2:]
    if each.shape[:-2] != lead:
        each = each.expand(*lead, M, N)
    if len(lead) == 2:
        return each
    heads = lead[-1] if lead else 1
    return each.reshape(math.prod(lead[:-1]), heads, M, N)


def _mask_heads_second(mask: Tensor, lead: tuple[int, ...], L: int, S: int) -> Tensor:
    """A mask that broadcasts to (*lead, L, S), as (B or 1, H or 1, L or 1, S or 1)."""
    full = (*lead, L, S)
    mask = mask.reshape((1,) * (max(len(full), 4) - mask.dim()) + mask.shape)
    sizes = zip(mask.shape[-len(full) :], full, strict=True)
    if mask.dim() != max(len(full), 4) or any(size not in (1, whole) for size, whole in sizes):
        expected = f"attn_mask: its size must match {full}, or be 1"
        refuse(RuntimeError, "shape of attn_mask", expected, tuple(mask.shape))
    if mask.dim() == 4:
        return mask
    *_, H, M, N = mask.shape
    batch = lead[:-1] if any(size > 1 for size in mask.shape[:-3]) else mask.shape[:-3]
    return mask.expand(*batch, H, M, N).reshape(math.prod(batch), H, M, N)
