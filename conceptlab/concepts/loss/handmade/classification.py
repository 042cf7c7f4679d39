r"""Losses of a choice among classes, with their derivatives.

The negative log-likelihood picks one number for each sample, $\ell_n = -x_{n t_n}$, and its gradient is $-1$ there.

Cross-entropy is that after a log-softmax. With the largest score $m_n$ of a sample and $Z_n = \sum_c e^{x_{nc} - m_n}$,

$$ \ell_n = -\log p_{n t_n} = \log Z_n - (x_{n t_n} - m_n), \qquad
   \frac{\partial \ell_n}{\partial x_{nc}} = p_{nc} - \delta_{c t_n}, \qquad p_{nc} = e^{x_{nc} - m_n} / Z_n $$

(what would come from $m_n$ cancels: the loss does not depend on it, so it counts as a constant): the probabilities,
less 1 at the target. Neither they nor their logarithms are kept: one number a sample, $Z_n$, brings them back, and so
$Z_n$ is the rule's second output. It has a derivative of its own, $\partial Z_n / \partial x_{nc} = e^{x_{nc} - m_n}$,
and with the gradients $v_n$ of $\ell_n$ and $u_n$ of $Z_n$ the backward pass is

$$ e^{x_{nc} - m_n} \left( \frac{v_n}{Z_n} + u_n \right) - v_n \, \delta_{c t_n} $$

Shares as target, and smoothed labels, need the logarithms of all classes and take them from ``log_softmax``.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.loss.handmade.reduction import chosen, reduced
from conceptlab.core import Rule, declare, exp, is_recorded, message, room, save, wide

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
    reduction = chosen(reduction, size_average, reduce)
    _require_floating("nll_loss", input)
    _require_classes("nll_loss", input, target, weight)
    ignored, classes, weights = _read(input, target, weight, ignore_index)
    losses = _NegativeLogLikelihood.call(wide(input), classes, ignored, _axis(input))
    return _of_samples(losses, weights, ignored, reduction).to(input.dtype)


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
    reduction = chosen(reduction, size_average, reduce)
    if label_smoothing > 1:
        expected = "label_smoothing must be between 0.0 and 1.0"
        raise RuntimeError(_wrong("cross_entropy", expected, f"Got: {label_smoothing}"))
    _require_floating("cross_entropy", input)
    if target.shape == input.shape:
        return _of_shares(input, target, weight, ignore_index, reduction, label_smoothing)
    _require_classes("cross_entropy", input, target, weight)
    ignored, classes, weights = _read(input, target, weight, ignore_index)
    x, axis = wide(input), _axis(input)
    if label_smoothing <= 0:
        losses, _ = _CrossEntropy.call(x, _largest(x, axis), classes.unsqueeze(axis), axis)
        losses = losses.squeeze(axis).masked_fill(ignored, 0)
        return _of_samples(losses, weights, ignored, reduction).to(input.dtype)
    log_p = ops.log_softmax(x, axis)
    losses = _NegativeLogLikelihood.call(log_p, classes, ignored, axis) * (1 - label_smoothing)
    smooth = -_by_class(log_p, weight, axis).sum(axis) * (label_smoothing / x.shape[axis])
    return _of_samples(losses, weights, ignored, reduction, smooth.masked_fill(ignored, 0)).to(input.dtype)


class _NegativeLogLikelihood(Rule):
    """Linear in ``x``, so its derivative is itself, and its gradient the transpose: to put where it has picked."""

    @staticmethod
    def forward(x: Tensor, classes: Tensor, ignored: Tensor, axis: int) -> Tensor:
        return (-x.gather(axis, classes.unsqueeze(axis)).squeeze(axis)).masked_fill(ignored, 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, classes, ignored, ctx.axis = inputs
        save(ctx, classes, ignored)
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor, None, None, None]:
        classes, ignored = ctx.saved_tensors
        where, picked = classes.unsqueeze(ctx.axis), (-v.masked_fill(ignored, 0)).unsqueeze(ctx.axis)
        nothing = v.new_zeros(ctx.shape)
        # written in place where it may be, else a large vocabulary is copied
        scatter = nothing.scatter if is_recorded() else nothing.scatter_
        return scatter(ctx.axis, where, picked), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        classes, ignored = ctx.saved_tensors
        return _NegativeLogLikelihood.call(tangent, classes, ignored, ctx.axis)


class _CrossEntropy(Rule):
    """``x`` less ``m`` has no positive element; ``classes`` and both results have one element on the class axis."""

    @staticmethod
    def forward(x: Tensor, m: Tensor, classes: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        Z = _exponentials(x, m).sum(axis, keepdim=True)
        return torch.log(Z) - (x.gather(axis, classes) - m), Z

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, m, classes, ctx.axis = inputs
        save(ctx, x, m, classes, output[1])

    @staticmethod
    def backward(ctx: Any, v: Tensor, u: Tensor) -> tuple[Tensor, None, None, None]:
        x, m, classes, Z = ctx.saved_tensors
        exponentials, by_sample = _exponentials(x, m), v / Z + u
        # overwritten where it may be: at a language model's vocabulary this is a hundred megabytes
        grad = torch.mul(exponentials, by_sample, out=room(exponentials))
        return grad.scatter_add_(ctx.axis, classes, -v), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        x, m, classes, Z = ctx.saved_tensors
        Z_tangent = (_exponentials(x, m) * tangent).sum(ctx.axis, keepdim=True)
        return Z_tangent / Z - tangent.gather(ctx.axis, classes), Z_tangent


def _exponentials(x: Tensor, m: Tensor) -> Tensor:
    shifted = x - m
    return exp(shifted, room=room(shifted))


def _of_shares(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    """Cross-entropy for shares of the classes as target."""
    if not target.is_floating_point():
        expected = "Expected floating point type for target with class probabilities"
        raise RuntimeError(_wrong("cross_entropy", expected, f"got {target.dtype}"))
    if ignore_index >= 0:
        expected = "no ignore_index, which is not supported for floating point target"
        raise RuntimeError(_wrong("cross_entropy", expected, ignore_index))
    axis = _axis(input)
    _require_weight("cross_entropy", input, weight)
    shares, classes = wide(target), max(input.shape[axis], 1)
    if label_smoothing > 0:
        shares = shares * (1 - label_smoothing) + label_smoothing / classes
    losses = -(_by_class(ops.log_softmax(wide(input), axis), weight, axis) * shares).sum(axis)
    # of no classes torch has no mean
    loss = reduced(losses, reduction, input.numel() // classes)
    return loss.to(torch.promote_types(input.dtype, target.dtype))


def _read(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Which samples are ignored; the class of each sample, and its weight: 0 for these."""
    target = target.reshape(()) if input.dim() == 1 else target
    ignored = target == ignore_index
    known = torch.arange(input.shape[_axis(input)], device=input.device)
    # looked up in the list of classes, one that is out of bounds raises torch's IndexError
    classes = _look_up(known, target.long().masked_fill(ignored, 0))
    return ignored, classes, None if weight is None else _look_up(wide(weight), classes).masked_fill(ignored, 0)


def _look_up(values: Tensor, classes: Tensor) -> Tensor:
    """``values[classes]``, but without a host synchronization where ``classes`` has no axis."""
    return values.index_select(0, classes.reshape(-1)).reshape(classes.shape)


def _of_samples(
    losses: Tensor, weights: Tensor | None, ignored: Tensor, reduction: str, smooth: Tensor | None = None
) -> Tensor:
    """The samples' losses by their weights, plus the ``smooth`` share. The ignored ones are 0 and do not count."""
    if weights is not None:
        losses = losses * weights
    if smooth is not None:
        losses = losses + smooth
    if reduction != "mean":
        return reduced(losses, reduction)
    return reduced(losses, reduction, (~ignored).sum() if weights is None else weights.sum())


def _by_class(log_p: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    return log_p if weight is None else log_p * weight.reshape(-1, *[1] * (log_p.dim() - 1 - axis))


def _largest(x: Tensor, axis: int) -> Tensor:
    return x.detach().amax(axis, keepdim=True) if x.numel() else x.detach().sum(axis, keepdim=True)


def _axis(input: Tensor) -> int:
    return 0 if input.dim() == 1 else 1


def _require_floating(where: str, input: Tensor) -> None:
    if not input.is_floating_point():
        raise NotImplementedError(_wrong(f"{where} not implemented", "floating-point scores", input.dtype))


def _require_classes(where: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    if input.dim() == 0:
        error = IndexError if where == "cross_entropy" else ValueError
        raise error(_wrong(where, "an input with an axis of classes", "a 0-dimensional tensor"))
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(_wrong(where, "expected target dtype to be Long or Byte", f"got {target.dtype}"))
    if input.dim() == 1:
        if target.shape not in ((), (1,)):
            expected = "a single class (for 1D input, 1D target must have size 1)"
            raise ValueError(_wrong(where, expected, f"target size {tuple(target.shape)}"))
    elif target.shape[:1] != input.shape[:1]:
        expected = f"Expected input batch_size ({input.shape[0]}) to match target batch_size"
        raise ValueError(_wrong(where, expected, tuple(target.shape[:1])))
    elif target.shape != (shape := input.shape[:1] + input.shape[2:]):
        expected = f"target of the input's shape without the classes, {tuple(shape)} (multi-target not supported)"
        raise RuntimeError(_wrong(f"{where}: size mismatch", expected, f"got {tuple(target.shape)}"))
    _require_weight(where, input, weight)


def _require_weight(where: str, input: Tensor, weight: Tensor | None) -> None:
    classes = input.shape[_axis(input)]
    if weight is not None and weight.shape != (classes,):
        expected = f"weight tensor should be defined either for all {classes} classes or no classes"
        raise RuntimeError(_wrong(where, expected, f"weight tensor of shape: {list(weight.shape)}"))
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(_wrong(f"{where}: weight", f"expected scalar type {input.dtype}", f"found {weight.dtype}"))


def _wrong(where: str, expected: str, received: object) -> str:
    return message(where, expected=expected, received=str(received), remedy="Change it to that.")
