"""Tiles: the scores of some heads for one block of keys, and the memory they lie in."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from conceptlab.concepts.attention._arguments import added, roots
from conceptlab.core import exp, is_recorded, keep, room, wide

KEYS = 128
"""How many keys a block has under ``is_causal``; else twice as many."""

NUMBERS = 1 << 18
"""How many scores a tile has, about: a megabyte of them."""


class Options(NamedTuple):
    """What is no tensor: the scores' factor, that of the weights which dropout keeps, and whether it is causal."""

    scale: float
    rest: float
    causal: bool


class Tensors(NamedTuple):
    """The inputs, of all heads (B, H, …) or of a group of them (h, …)."""

    q: Tensor
    k: Tensor
    v: Tensor
    bias: Tensor | None
    kept: Tensor | None


class Tile(NamedTuple):
    """One block of keys, and the queries that see any of them.

    Attributes:
        start: the first of the queries.
        block: which keys.
        z: the scores (…, L, S), -∞ for keys that are not seen.
        q: the queries, and
        k: the keys, each times their half of the scale.
        v: the values.
        kept: which weights dropout keeps.
    """

    start: int
    block: slice
    z: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    kept: Tensor | None


class Rooms:
    """Memory that each tile uses again, by what it is for. Without ``like`` there is none, and each result is new."""

    def __init__(self, like: Tensor | None = None) -> None:
        self._like = like
        self._known: dict[str, Tensor] = {}

    def take(self, what: str, *shape: int) -> Tensor | None:
        """Room for a result of that shape, which is at most as large as the first of its kind."""
        if self._like is None:
            return None
        known = self._known.get(what)
        if known is None:
            known = self._known[what] = self._like.new_empty(shape)
        return known if known.shape == shape else known.view(-1)[: math.prod(shape)].view(shape)

    def seen(self, L: int, S: int, like: Tensor) -> Tensor:
        """Which keys of a block its first queries see (L, S), as a mask for `keep`."""
        dtype = torch.int64 if like.element_size() == 8 else torch.int32
        return self._triangle("seen", lambda: torch.ones(L, S, dtype=dtype, device=like.device).tril(), L, S)

    def hidden(self, L: int, S: int, like: Tensor) -> Tensor:
        """-∞ for all others (L, S), and 0 for those."""
        full = (L, S), -math.inf
        return self._triangle("hidden", lambda: torch.full(*full, dtype=like.dtype, device=like.device).triu(1), L, S)

    def _triangle(self, what: str, make: Callable[[], Tensor], L: int, S: int) -> Tensor:
        if what not in self._known:
            self._known[what] = make()
        known = self._known[what]
        return known if known.shape == (L, S) else known[:L, :S]


def takes_all_heads(like: Tensor) -> bool:
    """Whether all heads are one tile: where something looks on, and where there is no cache to stay in."""
    return is_recorded() or like.device.type != "cpu"


def keys_of_a_block(causal: bool) -> int:
    return KEYS if causal else 2 * KEYS


def is_small(tensors: Tensors) -> bool:
    """Whether a member of the batch, with all its heads, does not fill half a tile; not where a mask has a gradient."""
    B, H, L, _ = tensors.q.shape
    if tensors.bias is not None and tensors.bias.requires_grad:
        return False
    return B > 1 and H * L * tensors.k.shape[2] <= NUMBERS // 2


def groups_of_heads(tensors: Tensors, causal: bool, *others: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """The tensors of a group of heads whose tiles have about `NUMBERS` scores, and of ``others`` what belongs to it.

    Small members of a batch are taken together.
    """
    wholes: list[Tensor | None] = [*tensors, *others]
    B, H, L, _ = tensors.q.shape
    if is_small(tensors):
        wholes = [_in_one_batch(each, B, H) for each in wholes]
        B, H = 1, B * H
    most = max(1, NUMBERS // (L * min(tensors.k.shape[2], keys_of_a_block(causal))))
    heads = math.ceil(H / math.ceil(H / most))
    for b in range(B):
        for h in range(0, H, heads):
            own = [_of_heads(each, b, h, heads) for each in wholes]
            yield Tensors(*own[:5]), *own[5:]  # type: ignore[arg-type]


def _in_one_batch(each: Tensor | None, B: int, H: int) -> Tensor | None:
    """(B, H, …) as (1, B · H, …), where there is one for each of them."""
    if each is None or each.shape[:2] == (1, 1):
        return each
    if each.shape[:2] != (B, H):
        each = each.expand(B, H, *each.shape[2:])
    return each.reshape(1, B * H, *each.shape[2:])


def _of_heads(each: Tensor | None, b: int, h: int, heads: int) -> Tensor | None:
    """Of (B or 1, H or 1, …), what broadcasts to these heads (h, …)."""
    if each is None:
        return None
    of_member = each[b] if each.shape[0] > 1 else each[0]
    return of_member if each.shape[1] <= heads else of_member[h : h + heads]


def tiles(tensors: Tensors, options: Options, rooms: Rooms, keys: int) -> Iterator[Tile]:
    """Block after block of so many ``keys``, up to the last that is seen. Each takes the rooms of the one before."""
    L, S = tensors.q.shape[-2], tensors.k.shape[-2]
    of_query, of_key = roots(options.scale)
    queries = torch.mul(wide(tensors.q), of_query, out=rooms.take("queries", *tensors.q.shape))
    for first in range(0, S, keys):
        if options.causal and first >= L:
            return
        block = slice(first, min(first + keys, S))
        start = first if options.causal else 0
        q = from_row(queries, start)
        k, v = (wide(each if block.stop - first == S else each[..., block, :]) for each in (tensors.k, tensors.v))
        k = torch.mul(k, of_key, out=rooms.take("keys", *k.shape))
        z = product(q, k.mT, rooms.take("scores", *q.shape[:-1], k.shape[-2]))
        if tensors.bias is not None:
            bias = tensors.bias if tensors.bias.shape[-1] == 1 else tensors.bias[..., block]
            z = torch.add(z, added(bias, z), out=room(z))
        if options.causal:
            z = _without_future(z, rooms)
        yield Tile(start, block, z, q, k, v, None if tensors.kept is None else tensors.kept[..., start:, block])


def from_row(each: Tensor, start: int) -> Tensor:
    return each if start == 0 else each[..., start:, :]


def _without_future(z: Tensor, rooms: Rooms) -> Tensor:
    """The scores of a tile, with -∞ where a query does not see a key."""
    L, S = z.shape[-2:]
    if room(z) is None:
        return z.masked_fill(rooms.seen(L, S, z) == 0, -math.inf)
    # the first queries are the block's own; those after them see all of it
    L = min(L, S)
    own = z if z.shape[-2] == L else z[..., :L, :]
    # the score itself must not count: it may be infinite
    keep(own, rooms.seen(L, S, z), room=own).add_(rooms.hidden(L, S, z))
    return z


def weights(z: Tensor, top: Tensor) -> Tensor:
    """$e^{Z - m}$, which would have to be divided by their sum."""
    shifted = torch.sub(z, top, out=room(z))
    return exp(shifted, room=room(shifted))


def dropped(p: Tensor, kept: Tensor | None, rest: float) -> Tensor:
    """The weights that dropout keeps, times ``rest``."""
    return p if kept is None else p * kept * rest


def product(a: Tensor, b: Tensor, out: Tensor | None = None, factor: float = 1.0) -> Tensor:
    """The product of matrices, times a number; of (h, …) in a call that has nothing to find out."""
    if out is not None:
        # (beta=0: what is there does not count)
        return torch.bmm(a, b, out=out) if factor == 1 else torch.baddbmm(out, a, b, beta=0, alpha=factor, out=out)
    c = a @ b
    return c if factor == 1 else torch.mul(c, factor, out=room(c))


def add_product(y: Tensor, a: Tensor, b: Tensor, factor: float = 1.0) -> Tensor:
    """The product is added to ``y``."""
    return y.baddbmm_(a, b, alpha=factor) if a.dim() == 3 else y.add_(a @ b, alpha=factor)
