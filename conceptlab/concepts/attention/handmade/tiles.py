"""Tiles: the scores of some heads for one block of keys, and the memory they lie in."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from conceptlab.concepts.attention._arguments import added, roots
from conceptlab.core import exp, is_recorded, room, wide

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
    """The inputs, of all heads (B, H, …) or of some of them (h, …)."""

    q: Tensor
    k: Tensor
    v: Tensor
    bias: Tensor | None
    kept: Tensor | None


class Portion(NamedTuple):
    """Some heads: their inputs, and what else belongs to them by query, by key, and by score."""

    tensors: Tensors
    by_query: Sequence[Tensor | None]
    by_key: Sequence[Tensor | None]
    masks: Sequence[Tensor | None]


class Tile(NamedTuple):
    """One block of keys, and the queries that see any of them.

    Attributes:
        start: the first of the queries.
        block: which keys.
        causal: whether each query sees no keys after its own; the first sees one.
        z: the scores (…, L, S), of all keys, seen or not.
        q: the queries, and
        k: the keys, each times their half of the scale.
        v: the values.
        kept: which weights dropout keeps.
    """

    start: int
    block: slice
    causal: bool
    z: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    kept: Tensor | None


class Rooms:
    """Memory that each tile uses again, by what it is for: the first tile is the largest.

    Without ``like`` there is none, and each result is new.
    """

    def __init__(self, like: Tensor | None = None) -> None:
        self._like = like
        self._known: dict[str, Tensor] = {}

    def take(self, what: str, shape: Sequence[int]) -> Tensor | None:
        """Room for a result of that shape, (h, L, …)."""
        if self._like is None:
            return None
        heads, rows, columns = shape
        known = self._known.get(what)
        if known is None:
            known = self._known[what] = self._like.new_empty(heads * rows * columns)
        return known.as_strided(shape, (rows * columns, columns, 1))

    def hidden(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """-∞ right of the diagonal, for keys that come after their query, and 0 elsewhere."""
        known = self._known.get("hidden")
        if known is None:
            known = self._known["hidden"] = like.new_full((rows, columns), -math.inf).triu_(1)
        return known if known.shape == (rows, columns) else known[:rows, :columns]


def takes_all_heads(like: Tensor) -> bool:
    """Whether all heads are one tile: where something looks on, and where there is no cache to stay in."""
    return is_recorded() or like.device.type != "cpu"


def is_small(tensors: Tensors) -> bool:
    """Whether a member of the batch, with all its heads, does not fill half a tile."""
    q, k = tensors.q, tensors.k
    return q.shape[0] == 1 or q.shape[1:3].numel() * k.shape[2] <= NUMBERS // 2


def scaled(tensors: Tensors, options: Options, rooms: Rooms) -> Tensors:
    """In float32 at least, and queries and keys each times their half of the scale."""
    of_query, of_key = roots(options.scale)
    q = torch.mul(wide(tensors.q), of_query, out=rooms.take("queries", tensors.q.shape))
    k = torch.mul(wide(tensors.k), of_key, out=rooms.take("keys", tensors.k.shape))
    return tensors._replace(q=q, k=k, v=wide(tensors.v))


def portions(
    tensors: Tensors,
    options: Options,
    rooms: Rooms,
    by_query: Sequence[Tensor | None],
    by_key: Sequence[Tensor | None] = (),
    masks: Sequence[Tensor | None] = (),
) -> Iterator[Portion]:
    """The portions that all heads fall into, `scaled`, whose tiles have about `NUMBERS` scores.

    Small members of a batch are taken together.
    """
    B, H, L, _ = tensors.q.shape
    keys = min(tensors.k.shape[2], keys_of_a_block(options.causal))
    heads = max(1, NUMBERS // (L * keys))
    given = [tensors.q, *by_query], [tensors.k, tensors.v, *by_key], [tensors.bias, tensors.kept, *masks]
    for of_batch in _in_batches(given, B, H, is_small(tensors)):
        N = of_batch[0][0].shape[0]
        for h in range(0, N, heads):
            own: Any = of_batch if heads >= N else [[_of_heads(x, h, heads) for x in each] for each in of_batch]
            (q, *of_q), (k, v, *of_k), (bias, kept, *of_scores) = own
            yield Portion(scaled(Tensors(q, k, v, bias, kept), options, rooms), of_q, of_k, of_scores)


def _in_batches(given: Sequence[list], B: int, H: int, together: bool) -> Iterator[Sequence[list[Any]]]:
    """Of (B or 1, H or 1, …) what belongs to each member of the batch; or to all of them as (B · H, …)."""
    if together:
        yield [[_in_one_batch(x, B, H) for x in each] for each in given]
        return
    for b in range(B):
        yield [[x if x is None else x[b if x.shape[0] > 1 else 0] for x in each] for each in given]


def _in_one_batch(each: Tensor | None, B: int, H: int) -> Tensor | None:
    if each is None:
        return None
    if each.shape[:2] == (1, 1):
        return each[0]
    if each.shape[:2] != (B, H):
        each = each.expand(B, H, *each.shape[2:])
    return each.reshape(B * H, *each.shape[2:])


def _of_heads(each: Tensor | None, h: int, heads: int) -> Tensor | None:
    """Of (H or 1, …), what broadcasts to these heads."""
    return each if each is None or each.shape[0] <= heads else each[h : h + heads]


def keys_of_a_block(causal: bool) -> int:
    return KEYS if causal else 2 * KEYS


def tiles(tensors: Tensors, options: Options, rooms: Rooms, keys: int) -> Iterator[Tile]:
    """Block after block of so many ``keys``, up to the last that is seen. Each takes the rooms of the one before."""
    q, k, v, bias_of_all, kept_of_all = tensors
    S = k.shape[-2]
    for begin in range(0, S, keys):
        if options.causal and begin >= q.shape[-2]:
            return
        block = slice(begin, min(begin + keys, S))
        start = begin if options.causal else 0
        of_q = from_row(q, start)
        of_k, of_v = (each if block.stop - begin == S else each[..., block, :] for each in (k, v))
        room_of_z = rooms.take("scores", (*of_q.shape[:-1], block.stop - begin))
        z = product(of_q, of_k.mT, room_of_z)
        if bias_of_all is not None:
            bias = bias_of_all if bias_of_all.shape[-1] == 1 else bias_of_all[..., block]
            z = torch.add(z, added(bias, z), out=room(z))
        kept = None if kept_of_all is None else kept_of_all[..., start:, block]
        yield Tile(start, block, options.causal, z, of_q, of_k, of_v, kept)


def from_row(each: Tensor, start: int) -> Tensor:
    return each if start == 0 else each[..., start:, :]


def of_seen(tile: Tile, rooms: Rooms) -> Tensor:
    """The scores, -∞ where a query does not see a key."""
    z = tile.z
    if not tile.causal:
        return z
    if is_recorded():
        future = torch.ones(z.shape[-2:], dtype=torch.bool, device=z.device).triu(1)
        return z.masked_fill(future, -math.inf)
    # the score itself must not count: it may be infinite
    z.tril_()
    L, S = z.shape[-2:]
    # the first queries are the block's own; those after them see all of it
    own = z if L <= S else z[..., :S, :]
    own.add_(rooms.hidden(min(L, S), S, z))
    return z


def weights(z: Tensor, top: Tensor) -> Tensor:
    """$e^{Z - m}$, which would have to be divided by their sum."""
    shifted = torch.sub(z, top, out=room(z))
    return exp(shifted, room=room(shifted))


def weights_again(tile: Tile, top: Tensor, rooms: Rooms) -> Tensor:
    """The weights of the keys that are seen, when the largest score is known already."""
    if not tile.causal or is_recorded():
        return weights(of_seen(tile, rooms), top)
    return weights(tile.z, top).tril_()


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
