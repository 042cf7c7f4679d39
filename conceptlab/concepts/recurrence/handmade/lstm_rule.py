r"""The LSTM through a whole sequence, with its derivative.

**One step.** The products with the input, $a_t = W_{ih} x_t + b_{ih} + b_{hh}$, are made for all steps beforehand, as
one matrix product. What is left goes step by step:

$$ u_t = a_t + W_{hh} h_{t-1}, \qquad (i, f, g, o)_t = (\sigma, \sigma, \tanh, \sigma)(u_t) $$
$$ c_t = f_t c_{t-1} + i_t g_t, \qquad m_t = o_t \tanh c_t, \qquad h_t = m_t \ \text{ or, projected, }\ W_{hr} m_t $$

**Backward, one step.** Write $\delta v = \partial L / \partial v$. Let $\delta h_t$ and $\delta c_t$ be all that
arrives at the state after step $t$. With $k_t = \tanh c_t$, whose slope is $1 - k_t^2$, and $\delta m_t = W_{hr}^\top
\delta h_t$,

$$ \delta o_t = \delta m_t\, k_t, \qquad \delta c_t \leftarrow \delta c_t + \delta m_t\, o_t (1 - k_t^2), \qquad
   \delta i_t = \delta c_t\, g_t, \quad \delta g_t = \delta c_t\, i_t, \quad \delta f_t = \delta c_t\, c_{t-1} $$

and $\delta u_t$ is each times the slope of its gate: $s (1 - s)$ for a sigmoid $s$, and $1 - g^2$.

**The chain.** $h_{t-1}$ reaches $L$ through the output $y_{t-1} = h_{t-1}$ and through $u_t$, and $c_{t-1}$ through
$c_t$ alone:

$$ \delta h_{t-1} = \delta y_{t-1} + W_{hh}^\top \delta u_t, \qquad \delta c_{t-1} = f_t\, \delta c_t $$

from $\delta h_T = \delta y_T + \delta h_n$ and $\delta c_T = \delta c_n$ down to $\delta h_0, \delta c_0$. Everything
that does not depend on $\delta h, \delta c$ is known after the forward pass, and made for all steps at once: of a step
remain

$$ \delta c_t \leftarrow \delta c_t + \delta m_t\, \kappa_t, \qquad
   \delta u_t = (\delta c_t, \delta c_t, \delta c_t, \delta m_t) \cdot S_t, $$
$$ \kappa = o (1 - k^2), \qquad S = \bigl(g\, i (1 - i),\ c_{t-1} f (1 - f),\ i (1 - g^2),\ k\, o (1 - o)\bigr) $$

The weights serve every step, so their gradients are sums over the steps, again one matrix product each:

$$ \delta W_{ih} = \sum_t \delta u_t\, x_t^\top, \quad \delta W_{hh} = \sum_t \delta u_t\, h_{t-1}^\top, \quad
   \delta W_{hr} = \sum_t \delta h_t\, m_t^\top, \quad \delta b = \sum_t \delta u_t, \qquad
   \delta x_t = W_{ih}^\top \delta u_t $$

All $u_t$ and $c_t$ are outputs of the rule as well, since backward uses them; a second derivative comes back through
them, and is added to $\delta u_t$ and $\delta c_t$. The gates and $h_t$ are not kept: for all steps at once they are
made again in a few passes.

**Forward mode** is the product rule, step by step: $\dot u_t = \dot a_t + \dot W_{hh} h_{t-1} + W_{hh} \dot h_{t-1}$
and

$$ \dot c_t = f \dot c_{t-1} + S_i\, \dot u_i + S_f\, \dot u_f + S_g\, \dot u_g, \qquad
   \dot m_t = S_o\, \dot u_o + \kappa\, \dot c_t, \qquad \dot h_t = \dot W_{hr} m_t + W_{hr} \dot m_t $$
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
from conceptlab.core import Rule, is_recorded, save


def lstm_direction(
    x: Tensor, states: Sequence[Tensor], weights: Weights, reverse: bool, sizes: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: all h (N, H or the projection's width), and the last h and c."""
    w_hr = weights[4] if len(weights) > 4 else None
    h, h_n, c_n, _, _ = _LSTM.call(x, *states, *weights[:4], w_hr, reverse, *sizes)
    return h, (h_n, c_n)


class _LSTM(Rule):
    """Outputs h, the last h and c, and all c (N, H) and u (N, 4 H): of i, f, g, o."""

    @staticmethod
    def forward(
        x: Tensor,
        h0: Tensor,
        c0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        w_hr: Tensor | None,
        reverse: bool,
        *sizes: int,
    ) -> tuple[Tensor, ...]:
        a, H = products(x, w_ih, b_ih, b_hh), c0.shape[1]
        us, hs, cs = Rows(a, sizes), *(Rows(a.new_empty(len(a), width), sizes) for width in (h0.shape[1], H))
        weight, down = for_steps(w_hh, sizes), None if w_hr is None else for_steps(w_hr, sizes)
        carried_h, carried_c = Carried(h0), Carried(c0)
        # what a step makes overwrites the product with the input
        of_input: Any = a.split(sizes) if us.memory is None else us.room
        of_g = None if us.memory is None else a[:, 2 * H : 3 * H].split(sizes)
        h, c, sigmoids, k_room = carried_h.none, carried_c.none, None, None
        for t, changed in walk(sizes, reverse):
            if changed:
                h, c = carried_h.fit(h, sizes[t]), carried_c.fit(c, sizes[t])
                if of_g is not None:
                    sigmoids, k_room = a.new_empty(sizes[t], 4 * H), a.new_empty(sizes[t], H)
                    i, f, g, o = columns(sigmoids, 4)
            u = us.steps[t] = torch.addmm(of_input[t], h, weight, out=us.room[t])
            if of_g is None:
                i, f, g, o = _gates(u)
            else:
                torch.sigmoid(u, out=sigmoids)
                torch.tanh(of_g[t], out=g)
            c = torch.mul(f, c, out=cs.room[t])
            c = cs.steps[t] = torch.addcmul(c, i, g, out=cs.room[t])
            k = torch.tanh(c, out=k_room)
            h = torch.mul(o, k, out=hs.room[t]) if down is None else torch.mm(o * k, down, out=hs.room[t])
            hs.steps[t] = h
        return hs.whole(), carried_h.end(h), carried_c.end(c), cs.whole(), us.whole()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        x, h0, c0, w_ih, w_hh, _, _, w_hr, ctx.reverse, *ctx.sizes = inputs
        save(ctx, x, h0, c0, w_ih, w_hh, w_hr, *output[3:])
        ctx.materialize_grads = False  # seldom does anything come back through c and u

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, dh_n: Tensor | None, dc_n: Tensor | None, dc: Tensor | None, du: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        x, h0, c0, w_ih, w_hh, w_hr, cs, us = ctx.saved_tensors
        known = _known(us, cs, before(cs, c0, ctx.sizes, ctx.reverse))
        h = known.m if w_hr is None else known.m @ w_hr.t()
        arriving = or_zeros(dy, h), or_zeros(dh_n, h0), or_zeros(dc_n, c0), dc, du
        du, dh, dh0, dc0 = _chain(known, w_hh, w_hr, arriving, ctx.sizes, ctx.reverse)
        needs = ctx.needs_input_grad
        return (
            du @ w_ih if needs[0] else None,
            dh0,
            dc0,
            du.t() @ x if needs[3] else None,
            du.t() @ before(h, h0, ctx.sizes, ctx.reverse) if needs[4] else None,
            du.sum(0) if needs[5] else None,
            du.sum(0) if needs[6] else None,
            dh.t() @ known.m if needs[7] else None,
            *(None for _ in (ctx.reverse, *ctx.sizes)),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        x, h0, c0, w_ih, w_hh, w_hr, cs, us = ctx.saved_tensors
        x_t, h0_t, c0_t, w_ih_t, w_hh_t, b_ih_t, b_hh_t, w_hr_t = tangents[:8]
        sizes, reverse = ctx.sizes, ctx.reverse
        known = _known(us, cs, before(cs, c0, sizes, reverse))
        h = known.m if w_hr is None else known.m @ w_hr.t()
        known_u = tangents_of_products(x, w_ih, x_t, w_ih_t, b_ih_t, b_hh_t)
        if w_hh_t is not None:
            known_u = known_u + before(h, h0, sizes, reverse) @ w_hh_t.t()
        known_h = torch.zeros_like(h) if w_hr_t is None else known.m @ w_hr_t.t()
        rows = list(zip(*(one.split(sizes) for one in (known_u, known_h, *known[:3])), strict=True))
        carried_h, carried_c = Carried(or_zeros(h0_t, h0)), Carried(or_zeros(c0_t, c0))
        hs_t, cs_t, us_t = ([h0] * len(sizes) for _ in range(3))
        h_t, c_t = carried_h.none, carried_c.none
        for t, changed in walk(sizes, reverse):
            if changed:
                h_t, c_t = carried_h.fit(h_t, sizes[t]), carried_c.fit(c_t, sizes[t])
            u, more, of_c, of_m, kappa = rows[t]
            u_t = us_t[t] = u + h_t @ w_hh.t()
            i_t, f_t, g_t, o_t = columns(u_t, 4)
            f, of_i, of_f, of_g = of_c.unbind(1)
            c_t = cs_t[t] = f * c_t + of_i * i_t + of_f * f_t + of_g * g_t
            m_t = of_m * o_t + kappa * c_t
            h_t = hs_t[t] = (m_t if w_hr is None else m_t @ w_hr.t()) + more
        return torch.cat(hs_t), carried_h.end(h_t), carried_c.end(c_t), torch.cat(cs_t), torch.cat(us_t)


class _Known(NamedTuple):
    """What is known of all steps before δh and δc are: derivatives of c and m, and m itself."""

    of_c: Tensor
    """(N, 4, H): of c by the c before, and by u of i, f, g."""
    of_m: Tensor
    """(N, H): of m by u of o."""
    kappa: Tensor
    """(N, H): of m by c."""
    m: Tensor
    """(N, H)"""


def _known(u: Tensor, c: Tensor, c_before: Tensor) -> _Known:
    i, f, g, o = _gates(u)
    k = torch.tanh(c)
    m = o * k
    memory = None if is_recorded() else c.new_empty(len(c), 4, c.shape[1])
    room = [None] * 4 if memory is None else memory.unbind(1)
    of_c = (
        torch.mul(f, 1, out=room[0]),
        torch.mul(of_sigmoid(i), g, out=room[1]),
        torch.mul(of_sigmoid(f), c_before, out=room[2]),
        torch.addcmul(i, i * g, g, value=-1, out=room[3]),
    )
    whole = torch.stack(of_c, 1) if memory is None else memory
    return _Known(whole, of_sigmoid(o) * k, torch.addcmul(o, m, k, value=-1), m)


def _gates(u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    # g's sigmoid is in vain, and all in one call still faster
    i, f, _, o = columns(torch.sigmoid(u), 4)
    return i, f, torch.tanh(columns(u, 4)[2]), o


def _chain(
    known: _Known,
    w_hh: Tensor,
    w_hr: Tensor | None,
    arriving: tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None],
    sizes: Sequence[int],
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Backward through the steps: all δu, all δh, and those of the first states."""
    H = known.m.shape[1]
    more_c, more_u = (None if x is None else x.split(sizes) for x in arriving[3:])
    dys, of_c, of_m, kappa = (x.split(sizes) for x in (arriving[0], *known[:3]))
    du, dhs = Rows(known.m.new_empty(len(known.m), 4 * H), sizes), [w_hh] * len(sizes)
    carried_h, carried_c = Carried(arriving[1]), Carried(arriving[2])
    dh, dc, u_room, dc_room = carried_h.none, carried_c.none, None, None
    u: Any = None
    for t, changed in walk(sizes, not reverse):
        if changed:
            dh = carried_h.fit(dh if u is None else u @ w_hh, sizes[t]) + dys[t]
            dc = carried_c.fit(dc, sizes[t])
            if du.memory is not None:
                room = known.m.new_empty(sizes[t], 5, H)
                u_room, of_dc_room, o_room, c_room = room[:, 1:].flatten(1), room[:, :4], room[:, 4], room[:, 0]
                dc_room = known.m.new_empty(sizes[t], H)
                dc_column = dc_room.unsqueeze(1)
        else:
            dh = torch.addmm(dys[t], u, w_hh)
        dhs[t] = dh
        dm = dh if w_hr is None else dh @ w_hr
        dc = torch.addcmul(dc, dm, kappa[t], out=dc_room)
        if more_c is not None:
            dc = torch.add(dc, more_c[t], out=dc_room)
        if u_room is None:
            of_dc = dc.unsqueeze(1) * of_c[t]
            u, dc = torch.cat((of_dc[:, 1:].flatten(1), dm * of_m[t]), 1), of_dc[:, 0]
        else:
            torch.mul(dc_column, of_c[t], out=of_dc_room)
            torch.mul(dm, of_m[t], out=o_room)
            u, dc = u_room, c_room
        if more_u is not None:
            u = u + more_u[t]
        du.put(t, u)
    dh = u @ w_hh
    all_dh = dh if w_hr is None else torch.cat(dhs)
    return du.whole(), all_dh, carried_h.end(dh), carried_c.end(dc)
