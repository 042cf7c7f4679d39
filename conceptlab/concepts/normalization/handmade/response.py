r"""Local response normalization, with its derivative.

**Forward.** Each value is divided by the strength of its neighbourhood: the $n$ = ``size`` channels around its own, at
the same place. With $W_c$ the channels from $c - \lfloor n/2 \rfloor$ to $c + \lfloor (n-1)/2 \rfloor$,

$$ y_c = x_c\, s_c^{-\beta}, \qquad s_c = k + \frac{\alpha}{n} \sum_{i \in W_c} x_i^2 $$

where channels that are not there count as 0. The sum is one pass for each neighbour, over all places at once. (The
difference of two running totals would be two passes, and lose the digits of what is small beside what came before.)

**Backward.** Let $g_c = \partial L / \partial y_c$. $x_c$ reaches $L$ straight, with slope $s_c^{-\beta}$, and through
the $s_i$ of all neighbours whose window it lies in. First the gradient of $s$, an output of the rule as well since
backward uses it, where $h'$ is what comes in from outside:

$$ h_c = \frac{\partial L}{\partial s_c} = -\beta\, g_c x_c\, s_c^{-\beta - 1} + h'_c $$

$c \in W_i$ exactly where $i \in \overline{W}_c$, the mirrored window from $c - \lfloor (n-1)/2 \rfloor$ to $c + \lfloor
n/2 \rfloor$, and there $\partial s_i / \partial x_c = \tfrac{2 \alpha}{n} x_c$:

$$ \frac{\partial L}{\partial x_c} = g_c\, s_c^{-\beta} + \frac{2 \alpha}{n}\, x_c \sum_{i \in \overline{W}_c} h_i $$

The sum over a window is linear; its derivative is the sum over the mirrored one, and a rule of its own.

**Forward mode**: $\dot s_c = \tfrac{2\alpha}{n} \sum_{i \in W_c} x_i \dot x_i$ and $\dot y_c = s_c^{-\beta} (\dot x_c -
\beta\, x_c \dot s_c / s_c)$.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.normalization.handmade.refusal import refuse, require_fractions
from conceptlab.core import Rule, room, save, wide


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    where, shape = "local_response_norm", f"shape {tuple(input.shape)}"
    if input.dim() < 3:
        refuse(where, ValueError, "Expected 3D or higher dimensionality", "(B, C, T) or more axes", shape)
    if input.numel() == 0:
        return input
    if not isinstance(size, int):
        refuse(where, TypeError, "size must be an int", "a number of channels", size)
    if size <= 0:
        refuse(where, RuntimeError, "size should be greater than zero", "a number of channels", size)
    require_fractions(where, input)
    return _LocalResponseNorm.call(input, size, alpha, beta, k)[0]


class _LocalResponseNorm(Rule):
    """Outputs y and s."""

    @staticmethod
    def forward(x: Tensor, size: int, alpha: float, beta: float, k: float) -> tuple[Tensor, Tensor]:
        z = wide(x)
        total = _over_window(z * z, *_window(size))
        strength = torch.add(torch.mul(total, alpha / size, out=room(total)), k, out=room(total))
        return (z / strength.pow(beta)).to(x.dtype), strength

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, ctx.size, ctx.alpha, ctx.beta, _ = inputs
        save(ctx, x, output[1])
        ctx.materialize_grads = False

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, g_strength: Tensor | None) -> tuple[Tensor | None, ...]:
        x, strength = ctx.saved_tensors
        z = wide(x)
        straight = torch.zeros_like(z) if g is None else g / strength.pow(ctx.beta)
        by_strength = straight * z
        by_strength = torch.div(by_strength, strength, out=room(by_strength))
        by_strength = torch.mul(by_strength, -ctx.beta, out=room(by_strength))
        if g_strength is not None:
            by_strength = by_strength + g_strength
        before, after = _window(ctx.size)
        around = _WindowSum.call(by_strength, after, before)
        grad_x = torch.addcmul(straight, z, around, value=2 * ctx.alpha / ctx.size, out=room(straight))
        return grad_x.to(x.dtype), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        x, strength = ctx.saved_tensors
        z, z_t = wide(x), wide(x_t)
        strength_t = _WindowSum.call(z * z_t, *_window(ctx.size)) * (2 * ctx.alpha / ctx.size)
        y_t = (z_t - ctx.beta * z * strength_t / strength) / strength.pow(ctx.beta)
        return y_t.to(x.dtype), strength_t


class _WindowSum(Rule):
    """Sums over the channels from ``before`` ahead of each to ``after`` behind it."""

    @staticmethod
    def forward(x: Tensor, before: int, after: int) -> Tensor:
        return _over_window(x, before, after)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, ctx.before, ctx.after = inputs

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return _WindowSum.call(g, ctx.after, ctx.before), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return _WindowSum.call(x_t, ctx.before, ctx.after)


def _window(size: int) -> tuple[int, int]:
    """How many channels there are before the middle one, and after it."""
    return size // 2, (size - 1) // 2


def _over_window(x: Tensor, before: int, after: int) -> Tensor:
    total, C = x.clone(), x.shape[1]
    for offset in range(1, min(before + 1, C)):
        total[:, offset:].add_(x[:, : C - offset])
    for offset in range(1, min(after + 1, C)):
        total[:, : C - offset].add_(x[:, offset:])
    return total
