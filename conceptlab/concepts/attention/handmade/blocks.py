r"""Attention without a matrix of all weights, with its derivative.

**Forward.** A softmax divides by a sum that is known only at the end of a row; but it can be taken as far as one has
come. Of the keys so far, keep for each query the largest score $m$, the sum $\ell = \sum_j e^{Z_j - m}$, and the
unfinished mean $u = \sum_j e^{Z_j - m}\, v_j$. A further block of keys has the largest score $\hat m$; with
$m' = \max(m, \hat m)$,

$$ \ell' = e^{m - m'} \ell + \sum_{j \in \text{block}} e^{Z_j - m'}, \qquad
   u' = e^{m - m'} u + \sum_{j \in \text{block}} e^{Z_j - m'}\, v_j $$

since $e^{m - m'} e^{Z_j - m} = e^{Z_j - m'}$: nothing has to be looked at again. After the last block $y = u / \ell$.

Kept are $m$ and $\ell$, two numbers for each query, from which every weight comes back: $P_{nj} = w_{nj} / \ell_n$ with
$w_{nj} = e^{Z_{nj} - m_n}$. (The one number $m + \log \ell$ would do in exact arithmetic; but the weights would not add
up to 1 to the last digit, on which a gradient depends where one weight is nearly 1.) Any $m$ would do, and so it is a
constant, and all that depends on $Z$ is in $\ell$.

**Backward**, with $g_n = \partial L / \partial y_n$ and $\gamma_n = \partial L / \partial \ell_n$, which comes from
outside since $\ell$ is an output of the rule, too. Because $y_n = \sum_j P_{nj} v_j$ and $\partial P_{nj} / \partial
Z_{ni} = P_{nj} (\delta_{ij} - P_{ni})$, and $\partial \ell_n / \partial Z_{ni} = w_{ni}$, with $g' = g / \ell$

$$ \frac{\partial L}{\partial Z_{ni}} = A_{ni} = P_{ni} \Bigl( g_n \cdot v_i - \sum_j P_{nj}\, g_n \cdot v_j \Bigr)
   + w_{ni} \gamma_n = w_{ni}\, (g'_n \cdot v_i - \Delta_n), \qquad \Delta_n = g'_n \cdot y_n - \gamma_n $$

The sum over all keys has become a product with the output: so each block can be done by itself, with the weights
computed again. (Where there is but one, the sum is taken as it stands, which rounds less.) It gives its keys' and
values' gradients, and a summand of the queries':

$$ \frac{\partial L}{\partial v_i} = \sum_n w_{ni}\, g'_n, \qquad
   \frac{\partial L}{\partial k_i} = s \sum_n A_{ni}\, q_n, \qquad
   \frac{\partial L}{\partial q_n} = s \sum_{\text{blocks}} \sum_{i \in \text{block}} A_{ni}\, k_i $$

and the mask's is $A$ itself, added up over the axes along which it was repeated. With **dropout** $P_{nj}$ becomes
$r M_{nj} P_{nj}$ in $y$ and in $\partial L / \partial v$, and $g_n \cdot v_i$ becomes $r M_{ni}\, g_n \cdot v_i$;
$\Delta$ stays, because $g_n \cdot y_n$ is still the sum of their products.

**Forward mode**: with $\mu_n = \sum_j P_{nj} \dot Z_{nj}$ it is $\dot \ell = \ell \mu$, $\dot P = P\, (\dot Z - \mu)$,
and the product rule.

A query from which all keys are hidden has $Z = -\infty$ throughout. Its $m$ is the lowest number instead, which makes
each weight $e^{-\infty} = 0$, here and in backward.

A **tile**, the scores of some heads for one block of keys, is so small that it stays in the cache through all passes;
under ``is_causal`` it begins with the first query that sees one of the keys, so that nearly half of the work is not
done. Short sequences are a single block, with nothing to take up again. A graph, a transform or a compiler gets all
heads at once; what is to be differentiated again all keys, too.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.attention._arguments import roots
from conceptlab.concepts.attention.handmade.tiles import (
    Options,
    Rooms,
    Tensors,
    add_product,
    dropped,
    from_row,
    is_small,
    keys_of_a_block,
    of_seen,
    portions,
    product,
    scaled,
    takes_all_heads,
    tiles,
    weights,
    weights_again,
)
from conceptlab.core import Rule, exp, is_recorded, room, save, wide


class Attention(Rule):
    """Outputs y (B, H, L, Ev), ℓ and m (B, H, L, 1), all in float32 at least."""

    @staticmethod
    def forward(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        bias: Tensor | None,
        kept: Tensor | None,
        scale: float,
        rest: float,
        causal: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        tensors, options = Tensors(q, k, v, bias, kept), Options(scale, rest, causal)
        if takes_all_heads(q):
            return _attend(scaled(tensors, options, Rooms()), options, Rooms(), (None, None, None))
        B, H, L, _ = q.shape
        dtype = torch.promote_types(q.dtype, torch.float32)
        y, total, top = (q.new_empty(B, H, L, size, dtype=dtype) for size in (v.shape[-1], 1, 1))
        rooms = Rooms(y)
        for portion in portions(tensors, options, rooms, (y, total, top)):
            _attend(portion.tensors, options, rooms, portion.by_query)
        return y, total, top

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        save(ctx, *inputs[:5], *output)
        ctx.scalars = inputs[5:]
        ctx.materialize_grads = False

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, g_total: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
        q, k, v, bias, kept, y, total, top = ctx.saved_tensors
        tensors, options = Tensors(q, k, v, bias, kept), Options(*ctx.scalars)
        needed = ctx.needs_input_grad[:4]
        outcome = y, total, top, torch.zeros_like(y) if g is None else g, g_total
        if takes_all_heads(y):
            grads = _gradients(scaled(tensors, options, Rooms()), options, outcome, needed, Rooms(), (None, None, None))
        else:
            grads = _gradients_in_portions(tensors, options, outcome, needed)
        # autograd adds each up to the shape of its input, and then rounds it to its dtype
        return *grads, None, None, None, None

    @staticmethod
    def jvp(
        ctx: Any, q_t: Tensor | None, k_t: Tensor | None, v_t: Tensor | None, bias_t: Tensor | None, *_: None
    ) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, bias, kept, _, total, top = ctx.saved_tensors
        options = Options(*ctx.scalars)
        (tile,) = tiles(scaled(Tensors(q, k, v, bias, kept), options, Rooms()), options, Rooms(), k.shape[-2])
        p = weights(of_seen(tile, Rooms()), top) / total
        of_query, of_key = roots(options.scale)
        z_t = torch.zeros_like(p)
        if q_t is not None:
            z_t = z_t + wide(q_t) @ tile.k.mT * of_query
        if k_t is not None:
            z_t = z_t + tile.q @ wide(k_t).mT * of_key
        if bias_t is not None:
            z_t = z_t + bias_t
        mean_t = (p * z_t).sum(-1, keepdim=True)
        y_t = dropped(p * (z_t - mean_t), tile.kept, options.rest) @ tile.v
        if v_t is not None:
            y_t = y_t + dropped(p, tile.kept, options.rest) @ wide(v_t)
        return y_t, total * mean_t, torch.zeros_like(top)


def _attend(
    tensors: Tensors, options: Options, rooms: Rooms, outs: Sequence[Tensor | None]
) -> tuple[Tensor, Tensor, Tensor]:
    """y, ℓ and m, in ``outs`` if these are there."""
    for tile in tiles(tensors, options, rooms, keys_of_a_block(options.causal)):
        start, v, kept = tile.start, tile.v, tile.kept
        z = of_seen(tile, rooms)
        if tile.block.start == 0:
            top = torch.amax(z, -1, keepdim=True, out=outs[2])
            if tensors.bias is not None:
                top.clamp_min_(torch.finfo(z.dtype).min)
            p = weights(z, top)
            total = torch.sum(p, -1, keepdim=True, out=outs[1])
            u = product(dropped(p, kept, options.rest), v, outs[0])
            continue
        before, total_so_far, u_so_far = (from_row(each, start) for each in (top, total, u))
        now = torch.maximum(before, z.amax(-1, keepdim=True))
        shrunk = exp(before - now)
        p = weights(z, now)
        total_so_far.mul_(shrunk).add_(p.sum(-1, keepdim=True))
        add_product(u_so_far.mul_(shrunk), dropped(p, kept, options.rest), v)
        before.copy_(now)
    if tensors.bias is not None:
        # it is, the largest score counting 1, but where all keys are hidden
        total.clamp_min_(1)
    return u.div_(total), total, top


Outcome = tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]
"""y, ℓ and m, and the gradients that arrive at the first two."""


def _gradients_in_portions(
    tensors: Tensors, options: Options, outcome: Outcome, needed: tuple[bool, ...]
) -> list[Tensor | None]:
    dtype = outcome[0].dtype
    # as the inputs lie in memory; what is taken together has to lie together
    format = torch.contiguous_format if is_small(tensors) else torch.preserve_format
    of_q, of_k, of_v = (
        torch.empty_like(x, dtype=dtype, memory_format=format) if needs else None
        for x, needs in zip(tensors[:3], needed, strict=False)
    )
    of_bias = _zeros_of_masks(tensors, outcome[0]) if needed[3] else None
    rooms = Rooms(outcome[0])
    for part in portions(tensors, options, rooms, (*outcome, of_q), (of_k, of_v), (of_bias,)):
        *own, q_out = part.by_query
        outs = q_out, *part.by_key
        more = _gradients(part.tensors, options, own, needed, rooms, outs)[3]  # type: ignore[arg-type]
        if more is not None:
            part.masks[0].add_(more)  # type: ignore[union-attr]
    return [of_q, of_k, of_v, of_bias]


def _zeros_of_masks(tensors: Tensors, like: Tensor) -> Tensor:
    """For the sum of a mask's gradients. Where all heads are taken together each has its own, but of a single mask."""
    bias: Any = tensors.bias
    is_repeated = is_small(tensors) and bias.shape[:2] != (1, 1)
    lead = tensors.q.shape[:2] if is_repeated else bias.shape[:2]
    return like.new_zeros(*lead, *bias.shape[2:])


def _gradients(
    tensors: Tensors,
    options: Options,
    outcome: Outcome,
    needed: tuple[bool, ...],
    rooms: Rooms,
    outs: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Of queries, keys, values and mask; the first three in ``outs`` if they are there."""
    y, total, top, g, g_total = outcome
    S = tensors.k.shape[-2]
    # what is differentiated again is done at once
    keys = S if is_recorded() and not torch.compiler.is_compiling() else keys_of_a_block(options.causal)
    g = torch.div(g, total, out=rooms.take("upstream", g.shape))
    delta = None if keys >= S else torch.mul(g, y, out=rooms.take("products", y.shape)).sum(-1, keepdim=True)
    if delta is not None and g_total is not None:
        delta = delta - g_total
    of_query, of_key = roots(options.scale)
    of_q: Tensor | None = None
    of_k, of_v = _Pieces(S, outs[1]), _Pieces(S, outs[2])
    of_bias: list[Tensor] = []
    for tile in tiles(tensors, options, rooms, keys):
        start, block, _, _, q, k, v, kept = tile
        p = weights_again(tile, from_row(top, start), rooms)
        g_seeing = from_row(g, start)
        if needed[2]:
            of_v.add(block, dropped(p, kept, options.rest).mT, g_seeing)
        slopes = product(g_seeing, v.mT, rooms.take("slopes", p.shape))
        d = dropped(slopes, kept, options.rest)
        a = _through_softmax(d, p, total, g_total) if delta is None else _through_block(d, p, from_row(delta, start))
        if needed[0]:
            if of_q is None:
                of_q = product(a, k, outs[0], of_query)
            else:
                add_product(from_row(of_q, start), a, k, of_query)
        if needed[1]:
            of_k.add(block, a.mT, q, of_key)
        if needed[3]:
            of_bias.append(_summed(a, tensors.bias))  # type: ignore[arg-type]
    return [of_q, of_k.joined(), of_v.joined(), _joined_columns(of_bias, tensors.bias)]


def _through_softmax(d: Tensor, p: Tensor, total: Tensor, g_total: Tensor | None) -> Tensor:
    """A of all keys, with the sum as such: it cancels more exactly where one weight is nearly 1."""
    pd = torch.mul(p, d, out=room(d))
    delta = pd.sum(-1, keepdim=True) / total
    if g_total is not None:
        delta = delta - g_total
    return torch.addcmul(pd, p, delta, value=-1, out=room(pd))


def _through_block(d: Tensor, p: Tensor, delta: Tensor) -> Tensor:
    """A of a block of keys, in place of d: what is differentiated again is no block."""
    return d.sub_(delta).mul_(p)


class _Pieces:
    """The gradients of all S keys, or values, from those of the blocks; in ``out`` if it is there."""

    def __init__(self, S: int, out: Tensor | None) -> None:
        self.S, self.out = S, out
        self.pieces: list[Tensor] = []
        self.done = 0

    def add(self, block: slice, a: Tensor, b: Tensor, factor: float = 1.0) -> None:
        self.done = block.stop
        out = self.out if self.out is None or block.stop - block.start == self.S else self.out[..., block, :]
        self.pieces.append(product(a, b, out, factor))

    def joined(self) -> Tensor | None:
        """Zeros for keys that no query sees."""
        if self.out is not None:
            if self.done < self.S:
                self.out[..., self.done :, :].zero_()
            return self.out
        if not self.pieces:
            return None
        if self.done == self.S and len(self.pieces) == 1:
            return self.pieces[0]
        *lead, _, D = self.pieces[0].shape
        return torch.cat([*self.pieces, self.pieces[0].new_zeros(*lead, self.S - self.done, D)], -2)


def _summed(a: Tensor, bias: Tensor) -> Tensor:
    """The gradient of a mask from that of a block of scores; new, since the scores' memory is used again."""
    shape = (*bias.shape[:-1], min(bias.shape[-1], a.shape[-1]))
    return a.clone() if a.shape == shape else a.sum_to_size(shape)


def _joined_columns(pieces: list[Tensor], bias: Tensor | None) -> Tensor | None:
    """The gradient of a mask (…, S), or (…, 1), which each block of keys has in common."""
    if not pieces:
        return None
    return torch.cat(pieces, -1) if bias.shape[-1] > 1 else torch.stack(pieces).sum(0)
