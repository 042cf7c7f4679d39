r"""Losses of a yes or no, with their derivatives.

**From a probability** $x$: with $\ell = (t - 1) \log(1 - x) - t \log x$,

$$ \frac{\partial \ell}{\partial x} = \frac{1 - t}{1 - x} - \frac{t}{x} = \frac{x - t}{x (1 - x)}, \qquad
   \frac{\partial \ell}{\partial t} = \log(1 - x) - \log x $$

At $x = 0$ and $1$ a logarithm is infinite: in the loss it is taken as −100, and $x (1 - x)$ as $10^{-12}$; the
derivative by $t$ is infinite there, as torch's.

**From a score** $x$, of which $\sigma(x)$ is the probability. Both logarithms are $\log \sigma$, since $\log(1 -
\sigma(x)) = \log \sigma(-x) = \log \sigma(x) - x$; so, with ``pos_weight`` $p$,

$$ \ell = -p\, t \log \sigma(x) - (1 - t) \log \sigma(-x) = (1 - t) \, x - (p\, t + 1 - t) \log \sigma(x) $$

Beyond sums and products that is $\log \sigma$, which brings its derivative along from its own concept.
"""

from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

from conceptlab.concepts.loss.handmade.reduction import chosen, reduced
from conceptlab.core import Rule, declare, message, save, wide

ops = declare("nn", "handmade")
# 10⁻¹², as torch has it: in float32
_LEAST = 9.999999960041972e-13


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = chosen(reduction, size_average, reduce)
    _require_same_size("binary_cross_entropy", input, target)
    _require_probabilities(input, target)
    losses = _BinaryCrossEntropy.call(wide(input), wide(target))
    return reduced(losses if weight is None else losses * weight, reduction).to(input.dtype)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    reduction = chosen(reduction, size_average, reduce)
    _require_same_size("binary_cross_entropy_with_logits", input, target)
    x, t = wide(input), wide(target)
    log_p, no = ops.logsigmoid(x), 1 - t
    if pos_weight is not None:
        log_p = log_p * (pos_weight * t + no)
    losses = no * x - log_p
    dtype = torch.promote_types(input.dtype, target.dtype)
    return reduced(losses if weight is None else losses * weight, reduction).to(dtype)


class _BinaryCrossEntropy(Rule):
    @staticmethod
    def forward(x: Tensor, t: Tensor) -> Tensor:
        log_yes, log_no = torch.log(x).clamp(min=-100), torch.log1p(-x).clamp(min=-100)
        return torch.addcmul((t - 1) * log_no, t, log_yes, value=-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, *inputs)
        # without a tangent the target's slope, which may be infinite, stays out
        ctx.materialize_grads = False

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if g is None:
            return None, None
        x, t = ctx.saved_tensors
        needs_x, needs_t = ctx.needs_input_grad
        return g * _slope(x, t) if needs_x else None, g * _slope_by_target(x) if needs_t else None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor | None, t_tangent: Tensor | None) -> Tensor:
        x, t = ctx.saved_tensors
        tangent = torch.zeros_like(x) if x_tangent is None else x_tangent * _slope(x, t)
        return tangent if t_tangent is None else tangent + t_tangent * _slope_by_target(x)


def _slope(x: Tensor, t: Tensor) -> Tensor:
    return (x - t) / ((1 - x) * x).clamp(min=_LEAST)


def _slope_by_target(x: Tensor) -> Tensor:
    # infinite at 0 and 1, as torch's
    return torch.log1p(-x) - torch.log(x)


def _require_same_size(where: str, input: Tensor, target: Tensor) -> None:
    if target.shape != input.shape:
        raise ValueError(
            message(
                f"{where}: a target size that is different to the input size",
                expected=f"Target size must be the same as input size, {input.size()}",
                received=f"Using a target size ({target.size()})",
                remedy="Reshape or expand the target.",
            )
        )


def _require_probabilities(input: Tensor, target: Tensor) -> None:
    if not input.is_floating_point():
        raise NotImplementedError(
            message(
                f"binary_cross_entropy not implemented for '{input.dtype}'",
                expected="floating-point probabilities",
                received=str(input.dtype),
                remedy="Convert them, for instance with input.float().",
            )
        )
    if target.dtype != input.dtype:
        raise RuntimeError(
            message(
                "binary_cross_entropy: Found dtype of the target that differs",
                expected=str(input.dtype),
                received=str(target.dtype),
                remedy="Convert the target, with target.to(input.dtype).",
            )
        )
    # vmap has no rule for the assertion
    if input.numel() and maybe_current_level() is None:
        # the values are looked at where they are, on the device: nothing waits for the answer
        inside = (input.amin() >= 0) & (input.amax() <= 1)
        torch._assert_async(inside, "binary_cross_entropy: all elements of input should be between 0 and 1")
