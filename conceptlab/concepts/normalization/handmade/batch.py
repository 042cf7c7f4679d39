r"""Batch normalization, with its derivative.

**Forward.** One channel at a time; the other axes are one long axis of $N$ values $x_n$. With $r = (\sigma^2 +
\varepsilon)^{-1/2}$,

$$ y_n = \gamma r (x_n - \mu) + \beta = s\, x_n + t, \qquad s = \gamma r, \quad t = \beta - \mu s $$

$s$ and $t$ are one number a channel, so that a multiply and an add over the data do what subtract, divide, multiply and
add would do. The statistics take two passes of sums, first $\mu$, then $\sum (x_n - \mu)^2$: the
one-pass formula $\overline{x^2} - \mu^2$ subtracts two large numbers wherever the mean is large, and keeps no digit.

**Backward.** Let $g_n = \partial L / \partial y_n$, and $\hat x_n = x_n - \mu$. All that is needed follows
from two sums:

$$ \Sigma_1 = \sum_n g_n, \quad \Sigma_2 = \sum_n g_n \hat x_n, \qquad
   \frac{\partial L}{\partial \beta} = \Sigma_1, \quad \frac{\partial L}{\partial \gamma} = r \Sigma_2 $$

$x_n$ reaches $L$ on three ways: straight, through $\mu$ and through $\sigma^2$. For the two others, first the
gradients of the statistics. $y_m$ depends on $\mu$ with slope $-\gamma r$, and on $r$, for which
$\partial r / \partial \sigma^2 = -\tfrac12 (\sigma^2 + \varepsilon)^{-3/2} = -\tfrac12 r^3$:

$$ \frac{\partial L}{\partial \mu} = -\gamma r\, \Sigma_1 + g_\mu, \qquad
   \frac{\partial L}{\partial \sigma^2} = -\tfrac12 \gamma r^3\, \Sigma_2 + g_{\sigma^2} $$

$g_\mu$ and $g_{\sigma^2}$ are what arrives at the statistics from outside: they are outputs of the rule, too, because
backward uses them, and a second derivative comes back through them. ($\sigma^2$ depends on $\mu$ as well, but
$\partial \sigma^2 / \partial \mu = -\tfrac2N \sum_n \hat x_n = 0$.) Finally $\partial \mu / \partial x_n = \tfrac1N$
and $\partial \sigma^2 / \partial x_n = \tfrac2N \hat x_n$, so

$$ \frac{\partial L}{\partial x_n} = \gamma r\, g_n
   + \frac2N \frac{\partial L}{\partial \sigma^2}\, \hat x_n + \frac1N \frac{\partial L}{\partial \mu}
   = a\, g_n + b\, \hat x_n + c $$

again with one number a channel. With $g_\mu = g_{\sigma^2} = 0$ and $z = r \hat x$ this is the
textbook's $\gamma r \left( g_n - \bar g - z_n\, \overline{g z} \right)$: batch normalization takes out of the gradient
its mean and its part along the output. Hence, for $g$ constant, a gradient of exactly 0: a check with
``y.sum().backward()`` sees nothing.

**Forward mode** is the same chain from the other end: $\dot\mu = \overline{\dot x}$, $\dot{\sigma^2} = \tfrac2N \sum_n
\hat x_n \dot x_n$, $\dot r = -\tfrac12 r^3 \dot{\sigma^2}$, and the product rule on $\gamma r \hat x_n + \beta$.

**Evaluation.** $\mu$ and $\sigma^2$ are constants: only the straight way is left, $\partial L / \partial x_n =
\gamma r\, g_n$.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, message, save

BLOCK = 2**16
"""Elements of a piece: with its intermediate results well within a core's second-level cache."""


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
    x = _in_torch_layout(input)
    weight, bias = _by_channel(weight, x), _by_channel(bias, x)
    if not training:
        return _WithConstants.call(x, _by_channel(running_mean, x), _by_channel(running_var, x), weight, bias, eps)
    y, mean, var = _WithBatch.call(x, weight, bias, eps)
    n = _values_per_channel(x)
    # an empty batch has no statistics, and leaves no trace
    if running_mean is not None and running_var is not None and x.numel() > 0:
        with torch.no_grad():
            running_mean.lerp_(mean.flatten().to(running_mean.dtype), momentum)
            running_var.lerp_((var.flatten() * (n / (n - 1))).to(running_var.dtype), momentum)
    return y


class _WithBatch(Rule):
    """Training: the statistics are the batch's. Outputs y, μ and σ²."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        n = max(1, _values_per_channel(x))
        mean = _sum(x) / n
        var = sum(_sum((rows - mean).square()) for (rows,) in _in_blocks(x)) / n
        return _scale_and_shift(x, mean, torch.rsqrt(var + eps), weight, bias), mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        x, weight, _, ctx.eps = inputs
        save(ctx, x, weight, *output[1:])

    @staticmethod
    def backward(ctx: Any, g: Tensor, g_mean: Tensor, g_var: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, var = ctx.saved_tensors
        n = max(1, _values_per_channel(x))
        rstd = torch.rsqrt(var + ctx.eps)
        sum_g, sum_gx = _two_sums(x, mean, g)
        grad_x = None
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        if needs_x:
            a = rstd if weight is None else weight * rstd
            b = (2 * g_var - a * rstd.square() * sum_gx) / n
            c = (g_mean - a * sum_g) / n - b * mean
            grad_x = torch.addcmul(g * a, x, b).add_(c).to(x.dtype)
        return grad_x, rstd * sum_gx if needs_weight else None, sum_g if needs_bias else None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, weight_t: Tensor | None, bias_t: Tensor | None, _: None) -> tuple[Tensor, ...]:
        x, weight, mean, var = ctx.saved_tensors
        n = max(1, _values_per_channel(x))
        rstd = torch.rsqrt(var + ctx.eps)
        centred = x - mean
        mean_t = _sum(x_t) / n
        var_t = _sum(centred * x_t) * (2 / n)
        z_t = (x_t - mean_t) * rstd - centred * (0.5 * rstd.pow(3) * var_t)
        return _affine_tangent(centred * rstd, z_t, weight, weight_t, bias_t).to(x.dtype), mean_t, var_t


class _WithConstants(Rule):
    """Evaluation: the statistics are given, and are constants."""

    @staticmethod
    def forward(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        return _scale_and_shift(x, mean, torch.rsqrt(var + eps), weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, mean, var, weight, _, ctx.eps = inputs
        save(ctx, x, mean, var, weight)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, weight = ctx.saved_tensors
        rstd = torch.rsqrt(var + ctx.eps)
        needs_x, _, _, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_x = (g * (rstd if weight is None else weight * rstd)).to(x.dtype) if needs_x else None
        sum_g, sum_gx = _two_sums(x, mean, g) if needs_weight or needs_bias else (None, None)
        return grad_x, None, None, rstd * sum_gx if needs_weight else None, sum_g if needs_bias else None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _mean: None, _var: None, weight_t: Any, bias_t: Any, _eps: None) -> Tensor:
        x, mean, var, weight = ctx.saved_tensors
        rstd = torch.rsqrt(var + ctx.eps)
        return _affine_tangent((x - mean) * rstd, x_t * rstd, weight, weight_t, bias_t).to(x.dtype)


def _scale_and_shift(x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """s x + t. (``addcmul``, which broadcasts two of its operands here, takes three times as long.)"""
    s = rstd if weight is None else weight * rstd
    t = -mean * s if bias is None else bias - mean * s
    return (x * s).add_(t).to(x.dtype)


def _two_sums(x: Tensor, mean: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Σ₁ and Σ₂."""
    return _sum(g), sum(_sum((x_rows - mean) * g_rows) for x_rows, g_rows in _in_blocks(x, g))


def _affine_tangent(z: Tensor, z_t: Tensor, weight: Tensor | None, weight_t: Any, bias_t: Any) -> Tensor:
    """The product rule on γ z + β."""
    y_t = z_t if weight is None else z_t * weight + z * weight_t
    return y_t if bias_t is None else y_t + bias_t


def _sum(x: Tensor) -> Tensor:
    """The sum of each channel, with axes of size 1 in the place of the others."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    return x.sum(axes, keepdim=True, dtype=_precise(x))


def _in_blocks(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """The tensors in pieces along the batch, so small that what is computed from a piece stays in the cache."""
    x = tensors[0]
    if x.numel() <= BLOCK or x.device.type != "cpu" or torch.compiler.is_compiling():
        return [tensors]
    rows = max(1, BLOCK * x.shape[0] // x.numel())
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _precise(x: Tensor) -> torch.dtype:
    """float32, or x's dtype where that is wider."""
    return torch.promote_types(x.dtype, torch.float32)


def _values_per_channel(x: Tensor) -> int:
    return math.prod(x.shape[:1] + x.shape[2:])


def _by_channel(values: Tensor | None, x: Tensor) -> Tensor | None:
    """One value a channel, (C), in a shape that broadcasts over x."""
    return None if values is None else values.to(_precise(x)).reshape(-1, *[1] * (x.dim() - 2))


def _in_torch_layout(x: Tensor) -> Tensor:
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
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    given = {name: tensor for name, tensor in given.items() if tensor is not None}
    channels = input.shape[1] if input.dim() > 1 else 0
    dtypes, halves = {tensor.dtype for tensor in given.values()}, (torch.float16, torch.bfloat16)
    if training and _values_per_channel(input) == 1:
        _refuse(ValueError, "Expected more than 1 value per channel when training", f"shape {tuple(input.shape)}")
    if eps < 0 or (training and eps == 0):
        _refuse(ValueError, f"eps must be {'positive during training' if training else 'non-negative'}", str(eps))
    if not training and not given.keys() >= {"running_mean", "running_var"}:
        _refuse(RuntimeError, "running_mean and running_var must be defined in evaluation mode", "None")
    if (running_mean is None) != (running_var is None):
        _refuse(ValueError, "running_mean and running_var must either both be None or neither be None", "one of them")
    for name, tensor in given.items():
        if tensor.numel() != channels:
            _refuse(RuntimeError, f"{name} should contain {channels} elements, one for each channel", tensor.numel())
    if not input.is_floating_point():
        _refuse(NotImplementedError, f"not implemented for '{input.dtype}', only for floating point", input.dtype)
    if len(dtypes) > 1 or not dtypes <= {input.dtype, torch.float32 if input.dtype in halves else input.dtype}:
        _refuse(RuntimeError, "mixed dtype: all others in the input's dtype or, if that is a half, float32", dtypes)


def _refuse(error: type[Exception], expected: str, received: object) -> None:
    remedy = "See the shapes and dtypes on the page of normalization."
    raise error(message("batch_norm", expected=expected, received=str(received), remedy=remedy))
