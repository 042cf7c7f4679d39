r"""The gated recurrent unit through a whole sequence, with its derivative.

**One step.** The products with the input, $a_t = W_{ih} x_t + b_{ih}$, are made for all steps beforehand, as one
matrix product; their thirds are $a_r, a_z, a_n$, and likewise for $u_t = W_{hh} h_{t-1} + b_{hh}$ with $u_r, u_z$ and
$q = u_n$:

$$ r = \sigma(a_r + u_r), \qquad z = \sigma(a_z + u_z), \qquad n = \tanh(a_n + r\, q), \qquad
   h_t = n + z\, (h_{t-1} - n) $$

**Backward, one step.** Write $\delta v = \partial L / \partial v$, and let $\delta h_t$ be all that arrives at $h_t$.
Then $\delta n = (1 - z)\, \delta h_t$ and $\delta z = (h_{t-1} - n)\, \delta h_t$; through the tanh, with slope $1 -
n^2$, goes $\delta a_n$, and from there to $\delta r = q\, \delta a_n$ and $\delta q = r\, \delta a_n$. With the
sigmoid's slope $s (1 - s)$ all of them are $\delta h_t$ times what is known after the forward pass, and made for all
steps at once:

$$ \delta a_n = P_n\, \delta h_t, \qquad (\delta u_r, \delta u_z, \delta q) = (P_r, P_z, P_q)\, \delta h_t, $$
$$ P_n = (1 - z)(1 - n^2), \quad P_r = P_n\, q\, r (1 - r), \quad P_z = (h_{t-1} - n)\, z (1 - z), \quad
   P_q = P_n\, r $$

**The chain.** $h_{t-1}$ reaches $L$ through the output $y_{t-1} = h_{t-1}$, straight through $z\, h_{t-1}$, and
through $u_t$:

$$ \delta h_{t-1} = \delta y_{t-1} + z\, \delta h_t + W_{hh}^\top \delta u_t $$

from $\delta h_T = \delta y_T + \delta h_n$ down to $\delta h_0$. The weights serve every step, so their gradients are
sums over the steps, one matrix product:

$$ \delta W_{hh} = \sum_t \delta u_t\, h_{t-1}^\top, \quad \delta b_{hh} = \sum_t \delta u_t, \quad
   \delta W_{ih} = \sum_t \delta a_t\, x_t^\top, \quad \delta b_{ih} = \sum_t \delta a_t, \qquad
   \delta x_t = W_{ih}^\top \delta a_t $$

with $\delta a_t = (\delta u_r, \delta u_z, \delta a_n)$.

$r, z, q$ and $n$ are outputs of the rule as well, since backward uses them; a second derivative comes back through them
and is added where they were made: $e_n$ to $\delta n$, and so on, on top of the above

$$ e'_n = (1 - n^2)\, e_n, \qquad \bigl( (e_r + q\, e'_n)\, r (1 - r),\ e_z\, z (1 - z),\ e_q + r\, e'_n \bigr) $$

**Forward mode** is the product rule, step by step: $\dot u_t = \dot W_{hh} h_{t-1} + W_{hh} \dot h_{t-1} + \dot
b_{hh}$,

$$ \dot r = r (1 - r) (\dot a_r + \dot u_r), \quad \dot z = z (1 - z) (\dot a_z + \dot u_z), \quad
   \dot n = (1 - n^2) (\dot a_n + \dot r q + r \dot q), $$
$$ \dot h_t = (1 - z)\, \dot n + \dot z\, (h_{t-1} - n) + z\, \dot h_{t-1} $$
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.recurrence.handmade.steps import (
    Carried,
    Rows,
    Weights,
    before,
    columns,
    for_steps,
    of_sigmoid,
    or_zeros,
    products,
    tangents_of_products,
    walk,
)
from conceptlab.core import Rule, save


def gru_direction(
    x: Tensor, states: Sequence[Tensor], weights: Weights, reverse: bool, sizes: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: all h (N, H), and the last h."""
    h, h_n, _, _ = _GRU.call(x, *states, *weights, reverse, *sizes)
    # backward uses h, and what follows may write to it
    return h.clone(), (h_n,)


class _GRU(Rule):
    """Outputs h, the last h, and of all steps r, z, q (N, 3 H) and n (N, H)."""

    @staticmethod
    def forward(
        x: Tensor,
        h0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        reverse: bool,
        *sizes: int,
    ) -> tuple[Tensor, ...]:
        a, H = products(x, w_ih, b_ih), h0.shape[1]
        gates, ns, hs = (Rows(a.new_empty(len(a), width), sizes) for width in (3 * H, H, H))
        a_rz, a_n = a[:, : 2 * H].split(sizes), a[:, 2 * H :].split(sizes)
        weight, bias = for_steps(w_hh, sizes), w_hh.new_zeros(1) if b_hh is None else b_hh
        carried, room = Carried(h0), None
        h = carried.none
        for t, changed in walk(sizes, reverse):
            if changed:
                h = carried.fit(h, sizes[t])
                if gates.memory is not None:
                    room = a.new_empty(sizes[t], 3 * H)
                    rz, (r, z, q) = room[:, : 2 * H], columns(room, 3)
            u = torch.addmm(bias, h, weight, out=room)
            if room is None:
                r, z, q = columns(u, 3)
                r, z = torch.sigmoid(u[:, : 2 * H] + a_rz[t]).split(H, 1)
                u = torch.cat((r, z, q), 1)
            else:
                rz.add_(a_rz[t]).sigmoid_()
            gates.put(t, u)
            n = ns.steps[t] = torch.tanh(torch.addcmul(a_n[t], r, q), out=ns.room[t])
            h = hs.steps[t] = torch.lerp(n, h, z, out=hs.room[t])
        return hs.whole(), carried.end(h), gates.whole(), ns.whole()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        x, h0, w_ih, w_hh, _, _, ctx.reverse, *ctx.sizes = inputs
        hs, _, gates, ns = output
        save(ctx, x, h0, w_ih, w_hh, hs, gates, ns)
        ctx.materialize_grads = False  # seldom does anything come back through the gates

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, dh_n: Tensor | None, d_gates: Tensor | None, d_n: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        x, h0, w_ih, w_hh, hs, gates, ns = ctx.saved_tensors
        h_before = before(hs, h0, ctx.sizes, ctx.reverse)
        P, P_n = _slopes(gates, ns, h_before)
        more, more_n = _extra(d_gates, d_n, gates, ns)
        du, dh, dh0 = _chain(w_hh, columns(gates, 3)[1], or_zeros(dy, hs), or_zeros(dh_n, h0), P, more, ctx)
        da_n = dh * P_n if more_n is None else torch.addcmul(more_n, dh, P_n)
        da = torch.cat((du[:, : -ns.shape[1]], da_n), 1)
        needs = ctx.needs_input_grad
        return (
            da @ w_ih if needs[0] else None,
            dh0,
            da.t() @ x if needs[2] else None,
            du.t() @ h_before if needs[3] else None,
            da.sum(0) if needs[4] else None,
            du.sum(0) if needs[5] else None,
            *(None for _ in (ctx.reverse, *ctx.sizes)),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        x, h0, w_ih, w_hh, hs, gates, ns = ctx.saved_tensors
        x_t, h0_t, w_ih_t, w_hh_t, b_ih_t, b_hh_t = tangents[:6]
        sizes, reverse, H = ctx.sizes, ctx.reverse, ns.shape[1]
        h_before = before(hs, h0, sizes, reverse)
        a_t = tangents_of_products(x, w_ih, x_t, w_ih_t, b_ih_t)
        known_u = tangents_of_products(h_before, w_hh, None, w_hh_t, b_hh_t)
        rows = list(zip(*(one.split(sizes) for one in (a_t, known_u, gates, ns, h_before)), strict=True))
        carried = Carried(or_zeros(h0_t, h0))
        h_t = carried.none
        hs_t, gates_t, ns_t = ([h0] * len(sizes) for _ in range(3))
        for t, changed in walk(sizes, reverse):
            if changed:
                h_t = carried.fit(h_t, sizes[t])
            a, u, gate, n, h = rows[t]
            u = u + h_t @ w_hh.t()
            r, z, q = columns(gate, 3)
            rz_t = of_sigmoid(gate[:, : 2 * H]) * (a + u)[:, : 2 * H]
            (r_t, z_t), q_t = columns(rz_t, 2), u[:, 2 * H :]
            n_t = ns_t[t] = (1 - n * n) * (a[:, 2 * H :] + r_t * q + r * q_t)
            gates_t[t] = torch.cat((rz_t, q_t), 1)
            h_t = hs_t[t] = (1 - z) * n_t + z_t * (h - n) + z * h_t
        return torch.cat(hs_t), carried.end(h_t), torch.cat(gates_t), torch.cat(ns_t)


def _chain(
    w_hh: Tensor, z: Tensor, dy: Tensor, dh_n: Tensor, P: Tensor, more: Tensor | None, ctx: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Backward through the steps: all δu, all δh, and that of the first state."""
    sizes, H = ctx.sizes, z.shape[1]
    zs, dys, Ps = (one.split(sizes) for one in (z, dy, P))
    extra = None if more is None else more.split(sizes)
    du, dhs = (Rows(dy.new_empty(len(dy), width), sizes) for width in (3 * H, H))
    carried, room, room_u = Carried(dh_n), None, None
    dh = carried.none
    for t, changed in walk(sizes, not ctx.reverse):
        if changed:
            dh = carried.fit(dh, sizes[t])
            if du.memory is not None:
                room = dy.new_empty(sizes[t], 3, H)
                room_u = room.flatten(1)
        dh = dhs.steps[t] = torch.add(dh, dys[t], out=dhs.room[t])
        u = torch.mul(dh.unsqueeze(1), Ps[t], out=room)
        u = u.flatten(1) if room_u is None else room_u
        if extra is not None:
            u = u + extra[t]
        du.put(t, u)
        dh = torch.addmm(dh * zs[t], u, w_hh)
    return du.whole(), dhs.whole(), carried.end(dh)


def _slopes(gates: Tensor, n: Tensor, h_before: Tensor) -> tuple[Tensor, Tensor]:
    """P_r, P_z, P_q as (N, 3, H), and P_n (N, H)."""
    r, z, q = columns(gates, 3)
    P_n = (1 - z) * (1 - n * n)
    return torch.stack((P_n * q * of_sigmoid(r), (h_before - n) * of_sigmoid(z), P_n * r), 1), P_n


def _extra(
    of_gates: Tensor | None, of_n: Tensor | None, gates: Tensor, n: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """What comes back through the gates and n themselves: to u, and to a_n."""
    if of_gates is None and of_n is None:
        return None, None
    r, z, q = columns(gates, 3)
    e_r, e_z, e_q = columns(or_zeros(of_gates, gates), 3)
    e_n = or_zeros(of_n, n) * (1 - n * n)
    return torch.cat(((e_r + q * e_n) * of_sigmoid(r), e_z * of_sigmoid(z), e_q + r * e_n), 1), e_n
