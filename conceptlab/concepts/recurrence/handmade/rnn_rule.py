r"""The plain recurrent network through a whole sequence, with its derivative.

**One step.** The products with the input, $a_t = W_{ih} x_t + b_{ih} + b_{hh}$, are made for all steps beforehand, as
one matrix product. What is left goes step by step, with $\varphi$ = tanh or relu:

$$ u_t = a_t + W_{hh} h_{t-1}, \qquad h_t = \varphi(u_t) $$

**Backward, one step.** Write $\delta v = \partial L / \partial v$, and let $\delta h_t$ be all that arrives at $h_t$.
The slope of either function can be told from its value: $1 - h_t^2$ for tanh; for relu 1, and 0 where $h_t = 0$. So

$$ \delta u_t = \varphi'_t\, \delta h_t $$

**The chain.** $h_{t-1}$ reaches $L$ through the output $y_{t-1} = h_{t-1}$ and through $u_t$:

$$ \delta h_{t-1} = \delta y_{t-1} + W_{hh}^\top \delta u_t $$

from $\delta h_T = \delta y_T + \delta h_n$ down to $\delta h_0$. Unrolled it is a product of as many Jacobians as
there are steps, $\delta h_0 = \prod_t W_{hh}^\top \operatorname{diag} \varphi'_t\, \delta h_T + \dots$, which is why
gradients vanish or explode. The weights serve every step, so their gradients are sums over the steps, one matrix
product:

$$ \delta W_{hh} = \sum_t \delta u_t\, h_{t-1}^\top, \quad \delta W_{ih} = \sum_t \delta u_t\, x_t^\top, \quad
   \delta b = \sum_t \delta u_t, \qquad \delta x_t = W_{ih}^\top \delta u_t $$

**Forward mode**: $\dot h_t = \varphi'_t\, (\dot a_t + \dot W_{hh} h_{t-1} + W_{hh} \dot h_{t-1})$.
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
    for_steps,
    or_zeros,
    products,
    tangents_of_products,
    walk,
)
from conceptlab.core import Rule, indicator, keep, mask, save


def tanh_direction(
    x: Tensor, states: Sequence[Tensor], weights: Weights, reverse: bool, sizes: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: all h (N, H), and the last h."""
    h, h_n = _RNN.call(x, *states, *weights, False, reverse, *sizes)
    # backward uses h, and what follows may write to it
    return h.clone(), (h_n,)


def relu_direction(
    x: Tensor, states: Sequence[Tensor], weights: Weights, reverse: bool, sizes: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: all h (N, H), and the last h."""
    h, h_n = _RNN.call(x, *states, *weights, True, reverse, *sizes)
    return h.clone(), (h_n,)


class _RNN(Rule):
    """Outputs h and the last h."""

    @staticmethod
    def forward(
        x: Tensor,
        h0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        is_relu: bool,
        reverse: bool,
        *sizes: int,
    ) -> tuple[Tensor, Tensor]:
        a = products(x, w_ih, b_ih, b_hh)
        hs, of_input = Rows(a, sizes), a.split(sizes)
        weight, carried = for_steps(w_hh, sizes), Carried(h0)
        h = carried.none
        for t, changed in walk(sizes, reverse):
            if changed:
                h = carried.fit(h, sizes[t])
            u = torch.addmm(of_input[t], h, weight, out=hs.room[t])
            h = torch.clamp_min(u, 0, out=hs.room[t]) if is_relu else torch.tanh(u, out=hs.room[t])
            hs.steps[t] = h
        return hs.whole(), carried.end(h)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, h0, w_ih, w_hh, _, _, ctx.is_relu, ctx.reverse, *ctx.sizes = inputs
        save(ctx, x, h0, w_ih, w_hh, output[0])
        ctx.materialize_grads = False

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dh_n: Tensor | None) -> tuple[Tensor | None, ...]:
        x, h0, w_ih, w_hh, hs = ctx.saved_tensors
        sizes = ctx.sizes
        dys, slopes = or_zeros(dy, hs).split(sizes), _slopes(hs, ctx.is_relu).split(sizes)
        rows, carried = Rows(torch.empty_like(hs), sizes), Carried(or_zeros(dh_n, h0))
        dh = carried.none
        for t, changed in walk(sizes, not ctx.reverse):
            if changed:
                dh = carried.fit(dh, sizes[t])
            u = rows.steps[t] = _times(dh + dys[t], slopes[t], ctx.is_relu, rows.room[t])
            dh = u @ w_hh
        du, needs = rows.whole(), ctx.needs_input_grad
        return (
            du @ w_ih if needs[0] else None,
            carried.end(dh),
            du.t() @ x if needs[2] else None,
            du.t() @ before(hs, h0, sizes, ctx.reverse) if needs[3] else None,
            du.sum(0) if needs[4] else None,
            du.sum(0) if needs[5] else None,
            *(None for _ in (ctx.is_relu, ctx.reverse, *sizes)),
        )

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, Tensor]:
        x, h0, w_ih, w_hh, hs = ctx.saved_tensors
        x_t, h0_t, w_ih_t, w_hh_t, b_ih_t, b_hh_t = tangents[:6]
        sizes = ctx.sizes
        known_u = tangents_of_products(x, w_ih, x_t, w_ih_t, b_ih_t, b_hh_t)
        if w_hh_t is not None:
            known_u = known_u + before(hs, h0, sizes, ctx.reverse) @ w_hh_t.t()
        of_input, slopes = known_u.split(sizes), _slopes(hs, ctx.is_relu).split(sizes)
        carried, hs_t = Carried(or_zeros(h0_t, h0)), list(of_input)
        h_t = carried.none
        for t, changed in walk(sizes, ctx.reverse):
            if changed:
                h_t = carried.fit(h_t, sizes[t])
            h_t = hs_t[t] = _times(of_input[t] + h_t @ w_hh.t(), slopes[t], ctx.is_relu, None)
        return torch.cat(hs_t), carried.end(h_t)


def _slopes(h: Tensor, is_relu: bool) -> Tensor:
    """φ′, of relu as a mask: by a product infinite gradients would not be dropped."""
    return mask(indicator(h, "<=", 0), unless=True) if is_relu else 1 - h * h


def _times(v: Tensor, slope: Tensor, is_relu: bool, room: Tensor | None) -> Tensor:
    return keep(v, slope, room=room) if is_relu else torch.mul(v, slope, out=room)
