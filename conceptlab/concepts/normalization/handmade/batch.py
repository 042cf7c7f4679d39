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

$x_n$ reaches $L$ on three ways: straight, through $\mu$ and through $r$. For the two others, first the gradients of
the statistics, $y_n$ depending on $\mu$ with slope $-\gamma r$ and on $r$ with slope $\gamma \hat x_n$:

$$ \frac{\partial L}{\partial \mu} = -\gamma r\, \Sigma_1 + g_\mu, \qquad
   \frac{\partial L}{\partial r} = \gamma\, \Sigma_2 + g_r $$

$g_\mu$ and $g_r$ are what arrives at the statistics from outside: they are outputs of the rule, too, because backward
uses them, and a second derivative comes back through them. Then the statistics by the values. $\partial \mu / \partial
x_n = \tfrac1N$. In $\sigma^2 = \tfrac1N \sum_m \hat x_m^2$ each $\hat x_m$ contains $\mu$, but $\sum_m \hat x_m = 0$
cancels that part, $\partial \sigma^2 / \partial x_n = \tfrac2N \hat x_n$, and with $\partial r / \partial \sigma^2 =
-\tfrac12 (\sigma^2 + \varepsilon)^{-3/2} = -\tfrac12 r^3$ it follows that $\partial r / \partial x_n = -\tfrac1N r^3
\hat x_n$. All together:

$$ \frac{\partial L}{\partial x_n} = \gamma r\, g_n
   - \frac{r^3}{N} \frac{\partial L}{\partial r}\, \hat x_n + \frac1N \frac{\partial L}{\partial \mu}
   = a\, g_n + b\, x_n + c, $$

$$ a = \gamma r, \qquad b = -\frac{r^3}{N} (\gamma \Sigma_2 + g_r), \qquad
   c = \frac1N (g_\mu - a \Sigma_1) - b \mu $$

again with one number a channel. With $g_\mu = g_r = 0$ and $z = r \hat x$ this is the
textbook's $\gamma r \left( g_n - \bar g - z_n\, \overline{g z} \right)$: batch normalization takes out of the gradient
its mean and its part along the output. Hence, for $g$ constant, a gradient of exactly 0: a check with
``y.sum().backward()`` sees nothing.

**Forward mode** is the same chain from the other end: $\dot\mu = \tfrac1N \sum_n \dot x_n$, $\dot r = -\tfrac{r^3}{N}
\sum_n \hat x_n \dot x_n$, and the product rule on $\gamma\, r \hat x_n + \beta$.

**Evaluation.** $\mu$ and $\sigma^2$ are constants: only the straight way is left, $\partial L / \partial x_n =
\gamma r\, g_n$.
"""

import math
from collections.abc import Iterable
from functools import reduce
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
    if not training:
        return _WithConstants.call(x, running_mean, running_var, weight, bias, eps)
    return _WithBatch.call(x, running_mean, running_var, weight, bias, momentum, eps)[0]


class _WithBatch(Rule):
    """Training: the statistics are the batch's. Outputs y, μ and r.

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
        n = _values_per_channel(x)
        mean = _sum(x) / n
        centre = _by_channel(mean, x)
        var = reduce(torch.add, (_sum((rows - centre).square()) for (rows,) in _in_blocks(x))) / n
        # an empty batch has no statistics, and leaves no trace
        if running_mean is not None and running_var is not None and x.numel() > 0:
            running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)
            running_var.mul_(1 - momentum).add_(var, alpha=momentum * n / (n - 1))
        rstd = torch.rsqrt(var + eps)
        return _scale_and_shift(x, mean, rstd, weight, bias), mean, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        x, _, _, weight, bias, _, _ = inputs
        save(ctx, x, weight, *output[1:])
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(ctx: Any, g: Tensor, g_mean: Tensor, g_rstd: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        n = _values_per_channel(x)
        sum_g, sum_gx = _two_sums(x, mean, g)
        grad_x = None
        if ctx.needs_input_grad[0]:
            a = _slope(rstd, weight)
            b = (g_rstd + _slope(sum_gx, weight)) * rstd.pow(3) / -n
            c = torch.addcmul(g_mean, a, sum_g, value=-1) / n - b * mean
            grad_x = torch.addcmul(g * _by_channel(a, x), x, _by_channel(b, x)).add_(_by_channel(c, x)).to(x.dtype)
        return grad_x, None, None, *_parameter_gradients(ctx, weight, rstd, sum_g, sum_gx), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _mean: Any, _var: Any, weight_t: Any, bias_t: Any, *_: None) -> tuple[Tensor, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        n = _values_per_channel(x)
        centred = x - _by_channel(mean, x)
        mean_t = _sum(x_t) / n
        rstd_t = rstd.pow(3) * _sum(centred * x_t) / -n
        z_t = (x_t - _by_channel(mean_t, x)) * _by_channel(rstd, x) + centred * _by_channel(rstd_t, x)
        y_t = _affine_tangent(centred * _by_channel(rstd, x), z_t, weight, weight_t, bias_t)
        return y_t.to(x.dtype), mean_t, rstd_t


class _WithConstants(Rule):
    """Evaluation: the statistics are given, and are constants."""

    @staticmethod
    def forward(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        return _scale_and_shift(x, mean, _rstd(var, x, eps), weight, bias)

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
            grad_x = (g * _by_channel(_slope(rstd, weight), x)).to(x.dtype)
        if any(ctx.needs_input_grad[3:5]):
            of_parameters = _parameter_gradients(ctx, weight, rstd, *_two_sums(x, mean, g))
        return grad_x, None, None, *of_parameters, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _mean: Any, _var: Any, weight_t: Any, bias_t: Any, _eps: None) -> Tensor:
        x, mean, var, weight = ctx.saved_tensors
        rstd = _by_channel(_rstd(var, x, ctx.eps), x)
        z = (x - _by_channel(mean, x)) * rstd
        return _affine_tangent(z, x_t * rstd, weight, weight_t, bias_t).to(x.dtype)


def _scale_and_shift(x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """s x + t. (``addcmul``, which broadcasts two of its operands here, takes three times as long.)"""
    s = _slope(rstd, weight)
    t = -mean * s if bias is None else bias - mean * s
    return (x * _by_channel(s, x)).add_(_by_channel(t, x)).to(x.dtype)


def _two_sums(x: Tensor, mean: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Σ₁ and Σ₂."""
    mean = _by_channel(mean, x)
    return _sum(g), reduce(torch.add, (_sum((x_rows - mean) * g_rows) for x_rows, g_rows in _in_blocks(x, g)))


def _parameter_gradients(ctx: Any, weight: Tensor | None, rstd: Tensor, sum_g: Tensor, sum_gx: Tensor) -> tuple:
    grad_weight = None if weight is None else (rstd * sum_gx).to(weight.dtype)
    return grad_weight, None if ctx.bias_dtype is None else sum_g.to(ctx.bias_dtype)


def _affine_tangent(z: Tensor, z_t: Tensor, weight: Tensor | None, weight_t: Any, bias_t: Any) -> Tensor:
    """The product rule on γ z + β."""
    y_t = z_t if weight is None else z_t * _by_channel(weight, z) + z * _by_channel(weight_t, z)
    return y_t if bias_t is None else y_t + _by_channel(bias_t, z)


def _slope(values: Tensor, weight: Tensor | None) -> Tensor:
    return values if weight is None else weight * values


def _rstd(var: Tensor, x: Tensor, eps: float) -> Tensor:
    return torch.rsqrt(var.to(_precise(x)) + eps)


def _sum(x: Tensor) -> Tensor:
    """The sum of each channel."""
    return x.sum([axis for axis in range(x.dim()) if axis != 1], dtype=_precise(x))


def _in_blocks(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """The tensors in pieces along the batch, so small that what is computed from a piece stays in the cache."""
    x = tensors[0]
    if x.numel() <= BLOCK or x.device.type != "cpu" or torch.compiler.is_compiling():
        return [tensors]
    rows = max(1, BLOCK * x.shape[0] // x.numel())
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _precise(x: Tensor) -> torch.dtype:
    """float32, or x's dtype where that is wider."""
    return torch.float64 if x.dtype is torch.float64 else torch.float32


def _values_per_channel(x: Tensor) -> int:
    """N, or 1 where there are none, so that it divides."""
    return max(1, math.prod(x.shape[:1] + x.shape[2:]))


def _by_channel(values: Tensor, x: Tensor) -> Tensor:
    """One value a channel, (C), in a shape that broadcasts over x."""
    return values.view(-1, *[1] * (x.dim() - 2))


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
    if training and input.dim() > 1 and math.prod(input.shape[:1] + input.shape[2:]) == 1:
        problem = "Expected more than 1 value per channel when training"
        _refuse(ValueError, problem, "B · H · W > 1", f"shape {tuple(input.shape)}")
    if eps < 0 or (training and eps == 0):
        problem = f"eps must be {'positive during training' if training else 'non-negative'}"
        _refuse(ValueError, problem, "for instance 1e-5", eps)
    if not training and not given.keys() >= {"running_mean", "running_var"}:
        problem = "running_mean and running_var must be defined in evaluation mode"
        _refuse(RuntimeError, problem, "two tensors", "None")
    if (running_mean is None) != (running_var is None):
        problem = "running_mean and running_var must either both be None or neither be None"
        _refuse(ValueError, problem, "two tensors", "one")
    for name, tensor in given.items():
        if tensor.numel() != channels:
            problem = f"{name} should contain {channels} elements not {tensor.numel()}"
            _refuse(RuntimeError, problem, "one for each channel", tuple(tensor.shape))
    if not input.is_floating_point():
        _refuse(NotImplementedError, f"not implemented for '{input.dtype}'", "a floating-point tensor", input.dtype)
    if len(dtypes) > 1 or not dtypes <= {input.dtype, torch.float32 if input.dtype in halves else input.dtype}:
        _refuse(
            RuntimeError, "mixed dtype", "all in the input's dtype, or float32 beside a half", dtypes | {input.dtype}
        )


def _refuse(error: type[Exception], problem: str, expected: str, received: object) -> None:
    remedy = "conceptlab's page of normalization tells shapes and dtypes."
    raise error(message(f"batch_norm: {problem}", expected=expected, received=str(received), remedy=remedy))
