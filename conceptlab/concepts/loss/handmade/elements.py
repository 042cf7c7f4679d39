r"""Losses that compare an input with a target element by element, with their derivatives.

With $d = x - t$:

| loss | $\ell$ | $\partial \ell / \partial x$ | $\partial \ell / \partial t$ |
|---|---|---|---|
| squared | $d^2$ | $2 d$ | $-2 d$ |
| absolute | $\lvert d \rvert$ | $\operatorname{sign} d$ | $-\operatorname{sign} d$ |
| huber | $c (\lvert d \rvert - \frac c2)$, $c = \min(\lvert d \rvert, \delta)$ | $d$, limited to $\pm\delta$ | minus that |
| probability | $-t \log x - (1 - t) \log(1 - x)$ | $(x - t) / (x (1 - x))$ | $\log(1 - x) - \log x$ |
| logit | $\max(x, 0) - x t + \log(1 + e^{-\lvert x \rvert})$ | $\sigma(x) - t$ | $-x$ |

*Huber* joins a parabola and a line where both have the slope $\delta$; $c$ writes both as one formula. *Probability*:
$-t/x + (1 - t)/(1 - x)$, over one denominator, which is kept above $10^{-12}$. *Logit*: with $x = \sigma(z)$ the
denominator above is just $\sigma'(z)$, so the chain rule leaves $\sigma(z) - t$; and the value comes from
$-\log \sigma(z) = \log(1 + e^{-z})$, written so that the exponent is never positive.

The sum or mean is part of the rule. With $L = \sum \ell$ or $\frac1N \sum \ell$ every element receives the same $g$ or
$g / N$, a single number: it multiplies the slope at once, and is never expanded to the size of the input.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from conceptlab.concepts.loss import _arguments as arguments
from conceptlab.core import Rule, require_floating, save


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    reduction = arguments.reduction_name("mse_loss", reduction, size_average, reduce)
    arguments.check_sizes_agree("mse_loss", input, target, weight)
    require_floating("mse_loss", input)
    return _weighted_mean("squared", input, target, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    reduction = arguments.reduction_name("l1_loss", reduction, size_average, reduce)
    arguments.check_sizes_agree("l1_loss", input, target, weight)
    return _weighted_mean("absolute", input, target, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    reduction = arguments.reduction_name("smooth_l1_loss", reduction, size_average, reduce)
    arguments.check_sizes_agree("smooth_l1_loss", input, target)
    require_floating("smooth_l1_loss", input)
    if beta < 0:
        what = "smooth_l1_loss does not support negative values for beta"
        arguments.refuse(RuntimeError, what, "beta >= 0", beta, "0 is l1_loss.")
    if beta == 0:
        return _loss("absolute", input, target, reduction)
    return _loss("huber", input, target, reduction, beta) / beta


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    reduction = arguments.reduction_name("huber_loss", reduction)
    arguments.check_sizes_agree("huber_loss", input, target, weight)
    require_floating("huber_loss", input)
    if delta <= 0:
        what = "huber_loss does not support non-positive values for delta"
        arguments.refuse(RuntimeError, what, "delta > 0", delta, "A very large one gives half the squared loss.")
    return _weighted("huber", input, target, weight, reduction, delta)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = arguments.reduction_name("binary_cross_entropy", reduction, size_average, reduce)
    arguments.check_same_size("binary_cross_entropy", input, target)
    require_floating("binary_cross_entropy", input)
    _check_probabilities(input)
    return _weighted("probability", input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    reduction = arguments.reduction_name("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    arguments.check_same_size("binary_cross_entropy_with_logits", input, target)
    require_floating("binary_cross_entropy_with_logits", input)
    if pos_weight is None:
        return _weighted("logit", input, target, weight, reduction)
    # p t (−log σ(x)) + (1 − t) (x − log σ(x)), and −log σ(x) is the loss for the target 1
    yes = _loss("logit", input, torch.ones_like(input), "none")
    losses = (1 - target) * input + (1 + (pos_weight - 1) * target) * yes
    return _reduced(losses if weight is None else losses * weight, reduction)


class _Slopes(NamedTuple):
    """One loss of the table: its value and its two derivatives, each of (x, t, parameter)."""

    value: Callable[[Tensor, Tensor, float], Tensor]
    by_input: Callable[[Tensor, Tensor, float], Tensor]
    by_target: Callable[[Tensor, Tensor, float], Tensor]


def _huber(x: Tensor, t: Tensor, delta: float) -> Tensor:
    d = (x - t).abs_()
    c = d.clamp(max=delta)
    return c * d.sub_(c, alpha=0.5)


def _log(p: Tensor) -> Tensor:
    return p.log().clamp(min=-100)


_LOSSES = {
    "squared": _Slopes(
        lambda x, t, _: (x - t) ** 2,
        lambda x, t, _: 2 * (x - t),
        lambda x, t, _: 2 * (t - x),
    ),
    "absolute": _Slopes(
        lambda x, t, _: (x - t).abs_(),
        lambda x, t, _: (x - t).sign(),
        lambda x, t, _: (t - x).sign(),
    ),
    "huber": _Slopes(
        _huber,
        lambda x, t, delta: (x - t).clamp(-delta, delta),
        lambda x, t, delta: (t - x).clamp(-delta, delta),
    ),
    "probability": _Slopes(
        lambda x, t, _: (t - 1) * _log(1 - x) - t * _log(x),
        lambda x, t, _: (x - t) / ((1 - x) * x).clamp(min=1e-12),
        lambda x, t, _: (1 - x).log() - x.log(),
    ),
    "logit": _Slopes(
        lambda x, t, _: torch.log1p(torch.exp(-x.abs())).add_(x.clamp(min=0)).sub_(x * t),
        lambda x, t, _: x.sigmoid() - t,
        lambda x, t, _: -x,
    ),
}


class _Loss(Rule):
    """One loss of the table, reduced."""

    @staticmethod
    def forward(x: Tensor, t: Tensor, kind: str, parameter: float, reduction: str) -> Tensor:
        return _reduced(_LOSSES[kind].value(x, t, parameter), reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, t, ctx.kind, ctx.parameter, ctx.reduction = inputs
        save(ctx, x, t)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, t = ctx.saved_tensors
        slopes = _LOSSES[ctx.kind]
        g = grad_output / x.numel() if ctx.reduction == "mean" else grad_output
        grad_x = slopes.by_input(x, t, ctx.parameter) * g if ctx.needs_input_grad[0] else None
        grad_t = slopes.by_target(x, t, ctx.parameter) * g if ctx.needs_input_grad[1] else None
        return grad_x, grad_t, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor | None, t_tangent: Tensor | None, *_: None) -> Tensor:
        x, t = ctx.saved_tensors
        slopes = _LOSSES[ctx.kind]
        tangent = x.new_zeros(())
        if x_tangent is not None:
            tangent = tangent + slopes.by_input(x, t, ctx.parameter) * x_tangent
        if t_tangent is not None:
            tangent = tangent + slopes.by_target(x, t, ctx.parameter) * t_tangent
        return _reduced(tangent, ctx.reduction)


def _loss(kind: str, input: Tensor, target: Tensor, reduction: str, parameter: float = 0.0) -> Tensor:
    dtype = torch.promote_types(input.dtype, target.dtype)
    if dtype in (torch.float16, torch.bfloat16):
        input, target = input.float(), target.float()
    x, t = torch.broadcast_tensors(input, target)
    return _Loss.call(x, t, kind, parameter, reduction).to(dtype)


def _weighted(
    kind: str, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, parameter: float = 0.0
) -> Tensor:
    if weight is None:
        return _loss(kind, input, target, reduction, parameter)
    return _reduced(_loss(kind, input, target, "none", parameter) * weight, reduction)


def _weighted_mean(kind: str, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The same, but for a mean that divides by the sum of the weights."""
    if weight is None or reduction != "mean":
        return _weighted(kind, input, target, weight, reduction)
    return _weighted(kind, input, target, weight, "sum") / weight.sum()


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()


def _check_probabilities(x: Tensor) -> None:
    if x.numel() == 0:
        return
    outside = ~((x.detach().amin() >= 0) & (x.detach().amax() <= 1))
    try:
        # the device itself refuses the index 1: nobody waits for an answer
        x.new_zeros(1).gather(0, outside.long().reshape(1))
    except RuntimeError as error:
        what = "binary_cross_entropy: all elements of input should be between 0 and 1"
        raise RuntimeError(
            f"{what}, probabilities. For other numbers there is binary_cross_entropy_with_logits."
        ) from error
