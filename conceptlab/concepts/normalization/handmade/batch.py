r"""Batch normalization, with its derivative.

**Forward.** One channel at a time; the other axes are one long axis of $N$ values $x_n$. With $r = (\sigma^2 +
\varepsilon)^{-1/2}$,

$$ y_n = a\, \hat x_n + \beta, \qquad \hat x_n = x_n - \mu, \quad a = \gamma r $$

$a$ is one number a channel, so that root, division and scale are one multiplication of the data. The statistics take
two passes of sums, first $\mu$, then $\sum \hat x_n^2$: the one-pass formula $\overline{x^2} - \mu^2$ subtracts two
large numbers wherever the mean is large, and keeps no digit.

**Backward.** Let $g_n = \partial L / \partial y_n$. All that is needed follows from two sums:

$$ \Sigma_1 = \sum_n g_n, \quad \Sigma_2 = \sum_n g_n \hat x_n, \qquad
   \frac{\partial L}{\partial \beta} = \Sigma_1, \quad \frac{\partial L}{\partial \gamma} = r \Sigma_2 $$

Step by step backwards: $\hat x_n$ reaches $L$ on two ways, straight and through $r$, on which $y_n$ depends with slope
$\gamma \hat x_n$:

$$ \frac{\partial L}{\partial r} = \gamma\, \Sigma_2 + g_r, \qquad
   \frac{\partial r}{\partial \hat x_n} = \frac{\partial r}{\partial \sigma^2}\,
   \frac{\partial \sigma^2}{\partial \hat x_n} = -\frac{r^3}{2} \cdot \frac2N \hat x_n = -\frac{r^3}{N} \hat x_n $$

$$ \frac{\partial L}{\partial \hat x_n} = a\, g_n + b\, \hat x_n + \hat g_n, \qquad
   b = -\frac{r^3}{N} \frac{\partial L}{\partial r} $$

$\hat g_n$ and $g_r$ are what arrives at $\hat x_n$ and $r$ from outside: they are outputs of the rule, too, because
backward uses them, and a second derivative comes back through them. Then $\hat x_n = x_n - \mu$: its gradient loses its
mean, to which $b\, \hat x_n$ adds nothing,

$$ \frac{\partial L}{\partial x_n} = a\, g_n + b\, \hat x_n + c_n, \qquad
   c_n = -\frac{a}{N} \Sigma_1 + \hat g_n - \frac1N \sum_m \hat g_m $$

With $\hat g = g_r = 0$ and $z = r \hat x$ this is $a \bigl( g_n - \tfrac1N ( \tfrac{\partial L}{\partial \beta} + z_n
\tfrac{\partial L}{\partial \gamma} ) \bigr)$, the textbook's, and so it is computed: batch normalization takes out of
the gradient its mean and its part along the output. Hence, for $g$ constant, a gradient of exactly 0: a check with
``y.sum().backward()`` sees nothing.

**Forward mode** is the same chain from the other end: $\dot{\hat x}_n = \dot x_n - \tfrac1N \sum_m \dot x_m$, $\dot r =
-\tfrac{r^3}{N} \sum_n \hat x_n \dot x_n$, and the product rule on $\gamma\, r \hat x_n + \beta$.

**Evaluation.** $\mu$ and $\sigma^2$ are constants: only the straight way is left, $\partial L / \partial x_n =
\gamma r\, g_n$.
"""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.normalization.handmade.refusal import (
    precise,
    refuse,
    require_dtypes,
    require_fractions,
    through_statistics,
)
from conceptlab.core import Rule, room, save

SHORT = 64
"""Values of a channel in one image up to which they are few: adding them up by themselves takes long."""


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    _check(input, running_mean, running_var, weight, bias, training, eps)
    x = dense(input)
    if not training:
        return WithConstants.call(x, running_mean, running_var, weight, bias, eps)
    return _WithBatch.call(x, running_mean, running_var, weight, bias, momentum, eps)[0]


class _WithBatch(Rule):
    """Training: the statistics are the batch's. Outputs y, x̂, and r as (1, C, 1 …), which broadcasts.

    x̂ is kept for backward, in the place of x, which would have to be centred again.

    The running statistics have no part in the derivative. They are moved here, and not by the caller, because
    torch.func forbids a plain in-place operation on a tensor from outside of the function that it transforms, as a
    layer's buffer is; a rule sees what stands behind the wrappers.
    """

    @staticmethod
    def forward(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        momentum: float,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = values_per_channel(x)
        mean = mean_of_channel(x)
        centred = x - mean
        var = mean_square(centred, n)
        rstd = torch.rsqrt(var + eps)
        y = line(centred, slope(rstd, by_channel(weight, x)), by_channel(bias, x), out=None).to(x.dtype)
        # an empty batch has no statistics, and leaves no trace
        if running_mean is not None and running_var is not None and x.numel() > 0:
            running_mean.mul_(1 - momentum).add_(mean.view(-1), alpha=momentum)
            running_var.mul_(1 - momentum).add_(var.view(-1), alpha=momentum * n / (n - 1))
        return y, centred, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        x, _, _, weight, bias, _, _ = inputs
        save(ctx, weight, *output[1:])
        ctx.materialize_grads = False  # seldom does anything come back through x̂ and r
        ctx.dtype = x.dtype
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(
        ctx: Any, g: Tensor | None, g_centred: Tensor | None, g_rstd: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        weight, centred, rstd = ctx.saved_tensors
        g_centred, g_rstd = through_statistics(g_centred, g_rstd)
        g = torch.zeros_like(centred) if g is None else g
        n = values_per_channel(centred)
        gx = centred * g
        of_bias, of_weight = sum_of_channel(g), rstd * sum_of_channel(gx)
        grad_x = None
        if ctx.needs_input_grad[0]:
            a = slope(rstd, by_channel(weight, centred))
            shared = a / -n
            b, c = shared * rstd * of_weight, shared * of_bias
            if g_rstd is not None:
                b = b + g_rstd * (rstd.pow(3) / -n)
            if g_centred is not None:
                c = c + g_centred - mean_of_channel(g_centred)
            without_g = line(centred, b, c, out=room(gx))
            grad_x = torch.addcmul(without_g, g, a, out=room(without_g)).to(ctx.dtype)
        return grad_x, None, None, *parameter_gradients(ctx, weight, of_weight, of_bias), None, None

    @staticmethod
    def jvp(
        ctx: Any, x_t: Tensor | None, _running_mean: Any, _running_var: Any, weight_t: Any, bias_t: Any, *_: None
    ) -> tuple[Tensor, ...]:
        weight, centred, rstd = ctx.saved_tensors
        x_t = torch.zeros_like(centred) if x_t is None else x_t
        centred_t = x_t - mean_of_channel(x_t)
        rstd_t = -rstd.pow(3) * mean_of_channel(centred * x_t)
        z_t = centred_t * rstd + centred * rstd_t
        return affine_tangent(centred * rstd, z_t, weight, weight_t, bias_t).to(ctx.dtype), centred_t, rstd_t


class WithConstants(Rule):
    """Evaluation: the statistics are given, and are constants."""

    @staticmethod
    def forward(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        centred, a = _centred(x, mean), slope(_rstd(var, x, eps), by_channel(weight, x))
        return line(centred, a, by_channel(bias, x), out=room(centred)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, mean, var, weight, bias, ctx.eps = inputs
        save(ctx, x, mean, var, weight)
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, weight = ctx.saved_tensors
        rstd = _rstd(var, x, ctx.eps)
        grad_x, of_parameters = None, (None, None)
        if ctx.needs_input_grad[0]:
            grad_x = (g * slope(rstd, by_channel(weight, x))).to(x.dtype)
        if any(ctx.needs_input_grad[3:5]):
            of_weight = rstd * sum_of_channel(_centred(x, mean) * g)
            of_parameters = parameter_gradients(ctx, weight, of_weight, sum_of_channel(g))
        return grad_x, None, None, *of_parameters, None

    @staticmethod
    def jvp(
        ctx: Any, x_t: Tensor, _running_mean: Any, _running_var: Any, weight_t: Any, bias_t: Any, _eps: None
    ) -> Tensor:
        x, mean, var, weight = ctx.saved_tensors
        rstd = _rstd(var, x, ctx.eps)
        z = _centred(x, mean) * rstd
        return affine_tangent(z, x_t * rstd, weight, weight_t, bias_t).to(x.dtype)


def _centred(x: Tensor, mean: Tensor) -> Tensor:
    return x - by_channel(mean, x).to(precise(x))


def line(centred: Tensor, slope: Tensor, shift: Tensor | None, *, out: Tensor | None) -> Tensor:
    """A multiply and an add. (``addcmul``, which broadcasts two of its operands here, takes three times as long.)"""
    product = torch.mul(centred, slope, out=out)
    return product if shift is None else torch.add(product, shift, out=room(product))


def parameter_gradients(ctx: Any, weight: Tensor | None, of_weight: Tensor, of_bias: Tensor) -> tuple:
    """The gradients of γ and β, where there are any, in their shape and dtype."""
    grad_weight = None if weight is None else of_weight.view(-1).to(weight.dtype)
    return grad_weight, None if ctx.bias_dtype is None else of_bias.view(-1).to(ctx.bias_dtype)


def affine_tangent(z: Tensor, z_t: Tensor, weight: Tensor | None, weight_t: Any, bias_t: Any) -> Tensor:
    """The product rule on γ z + β."""
    y_t = z_t if weight is None else z_t * by_channel(weight, z)
    if weight_t is not None:
        y_t = y_t + z * by_channel(weight_t, z)
    return y_t if bias_t is None else y_t + by_channel(bias_t, z)


def slope(values: Tensor, weight: Tensor | None) -> Tensor:
    return values if weight is None else weight * values


def _rstd(var: Tensor, x: Tensor, eps: float) -> Tensor:
    return torch.rsqrt(by_channel(var, x).to(precise(x)) + eps)


def sum_of_channel(x: Tensor) -> Tensor:
    """The sum of each channel, (1, C, 1 …)."""
    axes = range(2, x.dim())
    if axes and 1 < math.prod(x.shape[2:]) <= SHORT:
        # short rows are added to each other first: adding up one at a time takes up to four times as long
        return x.sum(0, keepdim=True, dtype=precise(x)).sum(tuple(axes), keepdim=True)
    return x.sum((0, *axes), keepdim=True, dtype=precise(x))


def mean_of_channel(x: Tensor) -> Tensor:
    """The mean of each channel; 0 where there are no values."""
    return sum_of_channel(x) / values_per_channel(x)


def mean_square(centred: Tensor, n: int) -> Tensor:
    """The mean of the squares of each channel. A norm squares and adds in one pass over memory instead of three."""
    if centred.dim() == 2 or math.prod(centred.shape[2:]) <= SHORT:
        return mean_of_channel(centred * centred)
    of_samples = torch.linalg.vector_norm(centred, dim=tuple(range(2, centred.dim())), keepdim=True)
    return of_samples.square().sum(0, keepdim=True) / n


def values_per_channel(x: Tensor) -> int:
    """N, or 1 where there are none, so that it divides."""
    channels = x.shape[1] if x.dim() > 1 else 1
    return max(1, x.numel() // max(1, channels))


def by_channel(values: Any, x: Tensor) -> Any:
    """One value a channel, (C), as (C, 1 …), which broadcasts over x."""
    return values if values is None or x.dim() <= 2 else values.view(-1, *[1] * (x.dim() - 2))


def dense(x: Tensor) -> Tensor:
    """x, contiguous unless its channels lie side by side in memory: torch's result is laid out in one of these ways."""
    if x.is_contiguous() or (x.dim() in (4, 5) and x.movedim(1, -1).is_contiguous()):
        return x
    return x.contiguous()


def _check(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    eps: float,
) -> None:
    if training and input.dim() > 0 and math.prod(input.shape[:1] + input.shape[2:]) == 1:
        problem = "Expected more than 1 value per channel when training"
        refuse("batch_norm", ValueError, problem, "B · H · W > 1", f"shape {tuple(input.shape)}")
    if eps < 0 or (training and eps == 0):
        problem = f"eps must be {'positive during training' if training else 'non-negative'}"
        refuse("batch_norm", ValueError, problem, "for instance 1e-5", eps)
    if not training and (running_mean is None or running_var is None):
        problem = "running_mean and running_var must be defined in evaluation mode"
        refuse("batch_norm", RuntimeError, problem, "two tensors", "None")
    if (running_mean is None) != (running_var is None):
        problem = "running_mean and running_var must either both be None or neither be None"
        refuse("batch_norm", ValueError, problem, "two tensors", "one")
    channels = input.shape[1] if input.dim() > 1 else 0
    parameters = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, tensor in parameters.items():
        if tensor is not None and tensor.numel() != channels:
            problem = f"{name} should contain {channels} elements not {tensor.numel()}"
            refuse("batch_norm", RuntimeError, problem, "one for each channel", tuple(tensor.shape))
    if input.dim() < 2 and input.numel() > 0:
        refuse(
            "batch_norm", IndexError, "Dimension out of range", "(B, C) and more axes", f"shape {tuple(input.shape)}"
        )
    require_fractions("batch_norm", input)
    require_dtypes("batch_norm", input, *parameters.values())
