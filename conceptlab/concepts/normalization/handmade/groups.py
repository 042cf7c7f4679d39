r"""Group and instance normalization, with their derivative.

**Forward.** Of each sample, the channels are divided into groups; instance normalization is the case of one channel a
group. A group is a set of $N$ values $x_n$ with a mean and a variance of its own, and its channels $c$ have $\gamma_c$
and $\beta_c$, which serve all samples:

$$ y_n = a_c\, \hat x_n + \beta_c, \qquad \hat x_n = x_n - \mu, \quad a_c = \gamma_c\, r, \quad
   r = (\sigma^2 + \varepsilon)^{-1/2} $$

$a_c$ is one number a channel of a sample: root, division and scale are one multiplication of the data. The statistics
take two passes, first $\mu$, then $\sum \hat x_n^2$; $\overline{x^2} - \mu^2$ would keep no digit where $\mu$ is large.

**Backward.** Let $g_n = \partial L / \partial y_n$. All that is needed follows from two sums for each channel of each
sample,

$$ s_c = \sum_{n \in c} g_n, \quad t_c = \sum_{n \in c} g_n \hat x_n, \qquad
   \frac{\partial L}{\partial \beta_c} = \sum_{\text{samples}} s_c, \quad
   \frac{\partial L}{\partial \gamma_c} = \sum_{\text{samples}} r\, t_c $$

($t_c$ as $\sum g_n x_n - \mu s_c$, which spares a pass, and is as exact as the gradient itself.)

The statistics gather the channels of a group. Each $y_n$ depends on $\mu$ with slope $-\gamma_c r$, on $r$ with slope
$\gamma_c \hat x_n$:

$$ \frac{\partial L}{\partial \mu} = -\sum_{c} a_c s_c + g_\mu, \qquad
   \frac{\partial L}{\partial r} = \sum_{c} \gamma_c t_c + g_r $$

with $g_\mu$ and $g_r$ from outside: both are outputs of the rule, because backward uses them, and a second derivative
comes back through them. From there on it is as for batch normalization: with $\partial \mu / \partial x_n = \tfrac1N$
and $\partial r / \partial x_n = -\tfrac{r^3}{N} \hat x_n$,

$$ \frac{\partial L}{\partial x_n} = a_c\, g_n + b\, \hat x_n + d, \qquad
   b = -\frac{r^3}{N} \frac{\partial L}{\partial r}, \quad d = \frac1N \frac{\partial L}{\partial \mu} $$

**Forward mode** is the same chain from the other end: $\dot\mu = \tfrac1N \sum_n \dot x_n$, $\dot r = -\tfrac{r^3}{N}
\sum_n \hat x_n \dot x_n$, and the product rule on $\gamma_c\, r \hat x_n + \beta_c$.

**Evaluation** of instance normalization with running statistics is batch normalization's: they are constants, the same
for all samples.
"""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.normalization.handmade.batch import WithConstants
from conceptlab.concepts.normalization.handmade.refusal import (
    in_torch_layout,
    precise,
    refuse,
    require_dtypes,
    require_fractions,
    through_statistics,
)
from conceptlab.core import Rule, room, save


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    _check_groups(input, num_groups, weight, bias)
    size = input.shape[1] // num_groups
    y = _OfGroups.call(input.contiguous(), None, None, weight, bias, size, 0.0, eps)[0]
    return in_torch_layout(y, input)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    _check_instances(input, running_mean, running_var, weight, bias, use_input_stats)
    x = input.contiguous()
    if not use_input_stats:
        return WithConstants.call(x, running_mean, running_var, weight, bias, eps)
    return _OfGroups.call(x, running_mean, running_var, weight, bias, 1, momentum, eps)[0]


class _OfGroups(Rule):
    """Groups of ``size`` channels. Outputs y, and μ and r of each group of each sample, (B, G, 1).

    The running statistics, one a channel, have no part in the derivative. As in batch normalization they are moved
    here, where a rule sees what stands behind the wrappers of torch.func.
    """

    @staticmethod
    def forward(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        size: int,
        momentum: float,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = _values(x, size)
        mean = _mean(_groups(x, size).to(precise(x)))
        # in the shape of x, because y, which takes its place, must not be a view
        centred = x - _over_channels(mean, size).view(*x.shape[:2], *[1] * (x.dim() - 2))
        # a norm squares and adds in one pass over memory instead of three
        var = torch.linalg.vector_norm(_groups(centred, size), dim=2, keepdim=True).square() / n
        rstd = torch.rsqrt(var + eps)
        y = _line(centred, _scaled(_over_channels(rstd, size), weight), bias).to(x.dtype)
        # what is empty has no statistics, and leaves no trace
        if running_mean is not None and running_var is not None and x.numel() > 0:
            running_mean.mul_(1 - momentum).add_(mean.mean(0).view(-1), alpha=momentum)
            running_var.mul_(1 - momentum).add_(var.mean(0).view(-1), alpha=momentum * n / (n - 1))
        return y, mean, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        x, _, _, weight, bias, ctx.size, _, _ = inputs
        save(ctx, x, weight, *output[1:])
        ctx.materialize_grads = False  # seldom does anything come back through the statistics
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, g_mean: Tensor | None, g_rstd: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        g_mean, g_rstd = through_statistics(g_mean, g_rstd)
        size = ctx.size
        n = _values(x, size)
        # by channel: what is regrouped between two passes, a compiler does not vectorise
        planes, mean = _planes(x), _over_channels(mean, size)
        g = _planes(torch.zeros_like(x) if g is None else g)
        gx = planes.to(mean.dtype) * g
        sum_g, sum_gx = (t.sum(2, keepdim=True, dtype=mean.dtype) for t in (g, gx))
        sum_gx = sum_gx - mean * sum_g
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[3]:
            grad_weight = (_over_channels(rstd, size) * sum_gx).sum(0).view(-1).to(weight.dtype)
        if ctx.needs_input_grad[4]:
            grad_bias = sum_g.sum(0).view(-1).to(ctx.bias_dtype)
        if ctx.needs_input_grad[0]:
            a = _scaled(_over_channels(rstd, size), weight)
            from_mean, from_rstd = -_over_groups(sum_g * a, size), _over_groups(_scaled(sum_gx, weight), size)
            if g_mean is not None:
                from_mean = from_mean + g_mean
            if g_rstd is not None:
                from_rstd = from_rstd + g_rstd
            b, d = (_over_channels(t / n, size) for t in (-from_rstd * rstd.pow(3), from_mean))
            without_g = torch.mul(planes, b, out=room(gx))
            without_g = torch.add(without_g, d - b * mean, out=room(without_g))
            grad_x = torch.addcmul(without_g, g, a, out=room(without_g)).view(x.shape).to(x.dtype)
        return grad_x, None, None, grad_weight, grad_bias, None, None, None

    @staticmethod
    def jvp(
        ctx: Any, x_t: Tensor | None, _running_mean: Any, _running_var: Any, weight_t: Any, bias_t: Any, *_: None
    ) -> tuple[Tensor, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        size = ctx.size
        centred = _planes(x) - _over_channels(mean, size)
        x_t = torch.zeros_like(centred) if x_t is None else _planes(x_t).to(mean.dtype)
        mean_t = _mean(_groups(x_t, size))
        rstd_t = -rstd.pow(3) * _mean(_groups(centred * x_t, size))
        along_r = _over_channels(rstd, size)
        z_t = (x_t - _over_channels(mean_t, size)) * along_r + centred * _over_channels(rstd_t, size)
        y_t = _scaled(z_t, weight)
        if weight_t is not None:
            y_t = y_t + centred * along_r * weight_t.view(-1, 1)
        if bias_t is not None:
            y_t = y_t + bias_t.view(-1, 1)
        return y_t.view(x.shape).to(x.dtype), mean_t, rstd_t


def _line(centred: Tensor, slope: Tensor, bias: Tensor | None) -> Tensor:
    """A multiply and an add, by channel, in the shape of the first."""
    axes = [1] * (centred.dim() - 2)
    y = torch.mul(centred, slope.view(*centred.shape[:2], *axes), out=room(centred))
    return y if bias is None else torch.add(y, bias.view(-1, *axes), out=room(y))


def _values(x: Tensor, size: int) -> int:
    """N, or 1 where there are none, so that it divides."""
    return max(1, size * math.prod(x.shape[2:]))


def _mean(groups: Tensor) -> Tensor:
    """The mean of each group; 0 where there are no values."""
    return groups.sum(2, keepdim=True) / max(1, groups.shape[2])


def _planes(x: Tensor) -> Tensor:
    """(B, C, L)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _groups(x: Tensor, size: int) -> Tensor:
    """(B, G, N)."""
    return x.reshape(x.shape[0], x.shape[1] // size, size * math.prod(x.shape[2:]))


def _over_channels(values: Tensor, size: int) -> Tensor:
    """One value a group, (B, G, 1), for each of its channels: (B, C, 1)."""
    B, G, _ = values.shape
    return values.expand(B, G, size).reshape(B, G * size, 1)


def _over_groups(values: Tensor, size: int) -> Tensor:
    """One value a channel, (B, C, 1), added over each group: (B, G, 1)."""
    return _groups(values, size).sum(2, keepdim=True)


def _scaled(values: Tensor, weight: Tensor | None) -> Tensor:
    """(B, C, …) times γ."""
    return values if weight is None else values * weight.view(-1, 1)


def _check_groups(input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None) -> None:
    shape = tuple(input.shape)
    if len(shape) < 2:
        problem = "Expected at least 2 dimensions for input tensor"
        refuse("group_norm", RuntimeError, problem, "(B, C) and more axes", f"shape {shape}")
    B, C, *sizes = shape
    if num_groups == 0:
        refuse("group_norm", ZeroDivisionError, "division by zero", "num_groups > 0", num_groups)
    if num_groups < 0:
        refuse("group_norm", RuntimeError, "Expected num groups to be greater than 0", "num_groups > 0", num_groups)
    if B * C // num_groups * math.prod(sizes) == 1:
        problem = "Expected more than 1 value per channel when training"
        refuse("group_norm", ValueError, problem, "more than 1 value in all groups", f"shape {shape}")
    if C == 0 or 0 in sizes:
        problem = f"Expected {'number of channels' if C == 0 else 'HxW'} to be greater than 0"
        refuse("group_norm", RuntimeError, problem, "at least one value a sample", f"shape {shape}")
    if C % num_groups != 0:
        problem = "Expected number of channels in input to be divisible by num_groups"
        refuse("group_norm", RuntimeError, problem, f"a multiple of {num_groups}", C)
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != (C,):
            problem = f"Expected {name} to be a vector of size equal to the number of channels in input"
            refuse("group_norm", RuntimeError, problem, (C,), tuple(parameter.shape))
    require_dtypes("group_norm", input, weight, bias)
    require_fractions("group_norm", input)


def _check_instances(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    use_input_stats: bool,
) -> None:
    shape = tuple(input.shape)
    if use_input_stats and math.prod(shape[2:]) == 1:
        problem = "Expected more than 1 spatial element when training"
        refuse("instance_norm", ValueError, problem, "(B, C) and axes with more than 1 value", f"shape {shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        problem = "Expected running_mean and running_var to be defined when use_input_stats is false"
        refuse("instance_norm", RuntimeError, problem, "two tensors", "None")
    if (running_mean is None) != (running_var is None):
        problem = "running_mean and running_var must either both be None or neither be None"
        refuse("instance_norm", ValueError, problem, "two tensors", "one")
    if len(shape) < 2:
        refuse("instance_norm", IndexError, "Dimension out of range", "(B, C) and more axes", f"shape {shape}")
    parameters = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, tensor in parameters.items():
        if tensor is not None and tuple(tensor.shape) != (shape[1],):
            problem = f"{name} should contain {shape[1]} elements"
            refuse("instance_norm", RuntimeError, problem, "one for each channel", f"shape {tuple(tensor.shape)}")
    require_fractions("instance_norm", input)
    require_dtypes("instance_norm", input, weight, bias)
