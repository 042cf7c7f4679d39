r"""Losses of rows of classes, with their derivatives.

**Negative log-likelihood** picks one number out of each row: $\ell_n = -w_n\, x_{n t_n}$ with the row's weight $w_n$,
the weight of its class, and 0 if it is to be ignored. So the gradient is 0 but in one place: $\partial \ell_n /
\partial x_{nc} = -w_n$ for $c = t_n$.

**Cross-entropy** of a row is $\ell = w\,(\log \sum_c e^{x_c} - x_t)$. With the maximum $m$ of the row, and $s = \log
\sum_c e^{x_c - m}$, in which no exponential overflows,

$$ \ell = w\,((m - x_t) + s) $$

which loses no digit where $x_t$ is near $m$ and both are large. Any $m$ would give the same value, so it counts as a
constant; then $\partial s / \partial x_c = e^{x_c - m} / \sum_k e^{x_k - m} = e^{x_c - m - s} = p_c$, the softmax, and

$$ \frac{\partial \ell}{\partial x_c} = w\,(p_c - \delta_{ct}), \qquad
   \frac{\partial L}{\partial x_c} = p_c\,(w g + g_s) - \delta_{ct}\, w g $$

where $g$ is the gradient that arrives at $\ell$, and $g_s$ at $s$, which is an output of the rule because backward
uses it. Probability minus truth: the simplest gradient a loss can have.

With smoothing, or with probabilities as the target, the loss is a sum over the classes of numbers times log-softmax;
its derivative is log-softmax's.
"""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.loss import _arguments as arguments
from conceptlab.core import Rule, declare, require_floating, save

ops = declare("nn", "handmade")


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = arguments.reduction_name("nll_loss", reduction, size_average, reduce)
    arguments.check_classes("nll_loss", input, target, weight)
    require_floating("nll_loss", input)
    x, t, w, ignored = _rows(input, target, weight, ignore_index)
    return _reduced(_checked(_NLL.call, x, t, w, ignored), w, input, target, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    reduction = arguments.reduction_name("cross_entropy", reduction, size_average, reduce)
    arguments.check_smoothing(label_smoothing)
    if target.shape == input.shape:
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    arguments.check_classes("cross_entropy", input, target, weight)
    require_floating("cross_entropy", input)
    x, t, w, ignored = _rows(input, target, weight, ignore_index)
    if label_smoothing == 0.0:
        losses = _checked(_CrossEntropy.call, x, t, w, ignored)[0]
    else:
        log_p = ops.log_softmax(x, 1)
        right = _checked(_NLL.call, log_p, t, w, ignored)
        even = -_times_class_weight(log_p, weight).mean(1, keepdim=True).masked_fill(ignored, 0)
        losses = (1 - label_smoothing) * right + label_smoothing * even
    return _reduced(losses, w, input, target, reduction)


class _NLL(Rule):
    @staticmethod
    def forward(x: Tensor, t: Tensor, w: Tensor, ignored: Tensor) -> Tensor:
        return (-x.gather(1, t) * w).masked_fill_(ignored, 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, *inputs[1:])
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, None]:
        t, w, ignored = ctx.saved_tensors
        wg = (w * g).masked_fill(ignored, 0)
        return wg.new_zeros(ctx.shape).scatter(1, t, -wg), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, *_: None) -> Tensor:
        t, w, ignored = ctx.saved_tensors
        return (-x_tangent.gather(1, t) * w).masked_fill(ignored, 0)


class _CrossEntropy(Rule):
    """Outputs the losses, and m and s of each row."""

    @staticmethod
    def forward(x: Tensor, t: Tensor, w: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        m = x.amax(1, keepdim=True)
        s = (x - m).exp_().sum(1, keepdim=True).log_()
        return (((m - x.gather(1, t)) + s) * w).masked_fill_(ignored, 0), m, s

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        save(ctx, *inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Tensor, g_s: Tensor) -> tuple[Tensor, None, None, None]:
        x, t, w, ignored, m, s = ctx.saved_tensors
        wg = (w * g).masked_fill(ignored, 0)
        p = (x - m).sub(s).exp()
        return (p * (wg + g_s)).scatter_add(1, t, -wg), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, *_: None) -> tuple[Tensor, Tensor, Tensor]:
        x, t, w, ignored, m, s = ctx.saved_tensors
        s_tangent = ((x - m).sub(s).exp() * x_tangent).sum(1, keepdim=True)
        return (w * (s_tangent - x_tangent.gather(1, t))).masked_fill(ignored, 0), torch.zeros_like(m), s_tangent


def _rows(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> tuple[Tensor, ...]:
    """Input (B, C, \\*) and, each (B, 1, \\*), the classes, their weights, and what is to be ignored."""
    x = input if input.dim() > 1 else input.unsqueeze(0)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    t = target.long().reshape(x.shape[:1] + x.shape[2:]).unsqueeze(1)
    ignored = t == ignore_index
    t = t.masked_fill(ignored, 0)
    if weight is None:
        return x, t, (~ignored).to(x.dtype), ignored
    w = _checked(torch.gather, weight.to(x.dtype), 0, t.flatten()).reshape(t.shape)
    return x, t, w.masked_fill(ignored, 0), ignored


def _checked(call: Any, *inputs: Any) -> Any:
    """The call, and torch's words if a class is out of bounds, which the device notices."""
    try:
        return call(*inputs)
    except (RuntimeError, IndexError) as error:
        if "out of bounds" not in str(error):
            raise
        raise IndexError(f"Target is out of bounds: expected classes below the size of axis 1; {error}") from error


def _times_class_weight(log_p: Tensor, weight: Tensor | None) -> Tensor:
    return log_p if weight is None else log_p * weight.reshape(1, -1, *[1] * (log_p.dim() - 2))


def _of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    if not target.is_floating_point():
        what = "cross_entropy: Expected floating point type for target with class probabilities"
        arguments.refuse(RuntimeError, what, "probabilities", target.dtype, "Numbers of classes have no axis 1.")
    if ignore_index >= 0:
        what = "cross_entropy: ignore_index is not supported for floating point target"
        arguments.refuse(RuntimeError, what, "a negative one", ignore_index, "Give such rows the weight 0 yourself.")
    arguments.check_class_weight("cross_entropy", input, weight)
    axis = min(1, input.dim() - 1)
    x = input if axis else input.unsqueeze(0)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    classes = x.shape[1]
    t = target.reshape(x.shape)
    if label_smoothing > 0.0:
        t = t * (1 - label_smoothing) + label_smoothing / classes
    losses = -(t * _times_class_weight(ops.log_softmax(x, 1), weight)).sum(1)
    rows = losses.numel()
    if reduction == "none":
        return losses.reshape(target.shape[:axis] + target.shape[axis + 1 :]).to(input.dtype)
    return (losses.sum() / rows if reduction == "mean" else losses.sum()).to(input.dtype)


def _reduced(losses: Tensor, w: Tensor, input: Tensor, target: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses.reshape(target.shape if input.dim() > 1 else target.shape[:0]).to(input.dtype)
    total = losses.sum()
    if reduction == "mean":
        weights = w.sum()
        # nothing to take a mean of: NaN as a value, and 0 as a gradient
        total = total / weights.masked_fill(weights == 0, math.inf) + (weights / weights - 1)
    return total.to(input.dtype)
