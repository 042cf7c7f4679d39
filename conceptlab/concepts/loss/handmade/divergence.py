r"""The loss between two distributions, with its derivatives.

With the share $s$ of the target, and $s = t$ or, for ``log_target``, $s = e^t$,

$$ \ell = s (\log s - x), \qquad \frac{\partial \ell}{\partial x} = -s, \qquad
   \frac{\partial \ell}{\partial s} = \log s - x + 1 $$

and by $t$ the last times $ds/dt$, which is 1 or $e^t$. At $s = 0$ the loss is 0, its limit: there $\log s$ is taken as
a finite number. The derivative by $t$ has no limit there, and is NaN, as torch's.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.loss.handmade.reduction import chosen, reduced
from conceptlab.core import Rule, message, room, save, warn, wide

# less than the logarithm of any number that is not 0, in float64, too
_LEAST = -1000.0


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    if reduction == "mean" and size_average is None and reduce is None:
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.",
            stacklevel=3,  # past the registry's wrapper, to the caller
        )
    by_batch = reduction == "batchmean"
    reduction = chosen("sum" if by_batch else reduction, size_average, reduce)
    dtype = torch.promote_types(input.dtype, target.dtype)
    for each in (input, target):
        if not each.is_floating_point():
            raise RuntimeError(
                message(
                    "kl_div: Complex and Integral inputs not supported",
                    expected="real floating-point numbers",
                    received=str(each.dtype),
                    remedy="Convert them, for instance with input.float().",
                )
            )
    x, t = torch.broadcast_tensors(*(wide(each) for each in (input, target)))
    loss = reduced(_Divergence.call(x, t, log_target), reduction)
    # as torch has it, whatever the reduction of the two old arguments is
    return (loss / input.shape[0] if by_batch and input.dim() else loss).to(dtype)


class _Divergence(Rule):
    @staticmethod
    def forward(x: Tensor, t: Tensor, log_target: bool) -> Tensor:
        if log_target:
            difference = t - x
            return torch.mul(difference, t.exp(), out=room(difference))
        return torch.addcmul(t.log().clamp_min_(_LEAST).mul_(t), t, x, value=-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, t, ctx.log_target = inputs
        save(ctx, x, t)
        # without a tangent the target's slope, which may be NaN, stays out
        ctx.materialize_grads = False

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, Tensor | None, None]:
        if g is None:
            return None, None, None
        x, t = ctx.saved_tensors
        needs_x, needs_t, _ = ctx.needs_input_grad
        grad_x = -g * (t.exp() if ctx.log_target else t) if needs_x else None
        return grad_x, g * _slope(x, t, ctx.log_target) if needs_t else None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor | None, t_tangent: Tensor | None, *_: None) -> Tensor:
        x, t = ctx.saved_tensors
        tangent = torch.zeros_like(x) if x_tangent is None else -x_tangent * (t.exp() if ctx.log_target else t)
        return tangent if t_tangent is None else tangent + t_tangent * _slope(x, t, ctx.log_target)


def _slope(x: Tensor, t: Tensor, log_target: bool) -> Tensor:
    """∂ℓ/∂t."""
    # t / t is 1, and NaN at 0
    return t.exp() * (t - x + 1) if log_target else t.log() + t / t - x
