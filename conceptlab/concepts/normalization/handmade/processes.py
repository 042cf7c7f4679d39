r"""Batch normalization over the batches of several processes, with its derivative.

The derivation is that of ``batch.py``; what is new is that the $N$ values of a channel lie in several processes $p$,
$N_p$ in each, and that nothing large may travel.

**Forward.** Each process tells the others $N_p$, and of each channel its mean $\mu_p$ and its variance $\sigma_p^2$.
Since $\sum_{n \in p} (x_n - \mu)^2 = N_p\, \sigma_p^2 + N_p (\mu_p - \mu)^2$,

$$ N = \sum_p N_p, \qquad \mu = \frac1N \sum_p N_p \mu_p, \qquad
   \sigma^2 = \frac1N \sum_p N_p \bigl( \sigma_p^2 + (\mu_p - \mu)^2 \bigr) $$

which, unlike $\overline{x^2} - \mu^2$, keeps its digits where $\mu$ is large.

**Backward.** Each process has a loss $L_p$ of its own, and what is differentiated is their sum $L$. $r$ and $\mu$ act
on the values of all processes, and so what comes back to them are sums over all of them:

$$ \frac{\partial L}{\partial r} = \sum_p \Bigl( g_r + \gamma \sum_{n \in p} g_n \hat x_n \Bigr), \qquad
   \frac{\partial L}{\partial \mu} = -\sum_p \sum_{n \in p} (a\, g_n + \hat g_n) $$

Then, as in one process, $\partial L / \partial x_n = a\, g_n - \tfrac{r^3}{N} \hat x_n\, \partial L / \partial r +
\tfrac1N\, \partial L / \partial \mu + \hat g_n$. The gradients of $\gamma$ and $\beta$ stay local,
$r \sum_{n \in p} g_n \hat x_n$ and $\sum_{n \in p} g_n$: data-parallel training averages the gradients of all
parameters afterwards.

A sum over all processes is linear and serves each of them: its own derivative is the sum over all processes again.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from conceptlab.concepts.normalization.handmade.batch import (
    affine_tangent,
    by_channel,
    dense,
    line,
    mean_of_channel,
    mean_square,
    parameter_gradients,
    slope,
    sum_of_channel,
)
from conceptlab.core import Rule, room, save


def _sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    process_group: Any,
) -> Tensor:
    x = dense(input)
    return _AcrossProcesses.call(x, running_mean, running_var, weight, bias, momentum, eps, process_group)[0]


class _AcrossProcesses(Rule):
    """Outputs y, x̂, r as (1, C, 1 …), and N."""

    @staticmethod
    def forward(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        momentum: float,
        eps: float,
        group: Any,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean = mean_of_channel(x)
        count = x.numel() // x.shape[1]
        n, mean, var = _together(count, mean, mean_square(x - mean, max(1, count)), group)
        rstd = torch.rsqrt(var + eps)
        centred = x - mean
        y = line(centred, slope(rstd, by_channel(weight, x)), by_channel(bias, x), out=None).to(x.dtype)
        for running, now in ((running_mean, mean), (running_var, var * n / (n - 1))):
            if running is not None:
                running.mul_(1 - momentum).add_(now.view(-1), alpha=momentum)
        return y, centred, rstd, n

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        x, _, _, weight, bias, _, _, ctx.group = inputs
        save(ctx, weight, *output[1:])
        ctx.materialize_grads = False  # seldom does anything come back through x̂ and r
        ctx.dtype = x.dtype
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(
        ctx: Any, g: Tensor | None, g_centred: Tensor | None, g_rstd: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        weight, centred, rstd, n = ctx.saved_tensors
        g = torch.zeros_like(centred) if g is None else g
        gx = centred * g
        sum_g, sum_gx = sum_of_channel(g), sum_of_channel(gx)
        grad_x = None
        if ctx.needs_input_grad[0]:
            gamma = by_channel(weight, centred)
            a = slope(rstd, gamma)
            from_mean, from_rstd = -a * sum_g, slope(sum_gx, gamma)
            if g_rstd is not None:
                from_rstd = from_rstd + g_rstd
            if g_centred is not None:
                from_mean = from_mean - sum_of_channel(g_centred)
            from_mean, from_rstd = _SumOfAll.call(torch.stack([from_mean, from_rstd]), ctx.group)
            b, c = from_rstd * rstd.pow(3) / -n, from_mean / n
            if g_centred is not None:
                c = c + g_centred
            without_g = line(centred, b, c, out=room(gx))
            grad_x = torch.addcmul(without_g, g, a, out=room(without_g)).to(ctx.dtype)
        return grad_x, None, None, *parameter_gradients(ctx, weight, rstd * sum_gx, sum_g), None, None, None

    @staticmethod
    def jvp(
        ctx: Any, x_t: Tensor | None, _running_mean: Any, _running_var: Any, weight_t: Any, bias_t: Any, *_: None
    ) -> tuple[Tensor | None, ...]:
        weight, centred, rstd, n = ctx.saved_tensors
        x_t = torch.zeros_like(centred) if x_t is None else x_t
        sums = torch.stack([sum_of_channel(x_t), sum_of_channel(centred * x_t)])
        sum_t, sum_zx = _SumOfAll.call(sums, ctx.group)
        centred_t = x_t - sum_t / n
        rstd_t = -rstd.pow(3) * (sum_zx / n)
        z_t = centred_t * rstd + centred * rstd_t
        return affine_tangent(centred * rstd, z_t, weight, weight_t, bias_t).to(ctx.dtype), centred_t, rstd_t, n * 0


class _SumOfAll(Rule):
    """The sum of what all processes have."""

    @staticmethod
    def forward(part: Tensor, group: Any) -> Tensor:
        total = part.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _SumOfAll.call(g, ctx.group), None

    @staticmethod
    def jvp(ctx: Any, part_t: Tensor, _: None) -> Tensor:
        return _SumOfAll.call(part_t, ctx.group)


def _together(count: int, mean: Tensor, var: Tensor, group: Any) -> tuple[Tensor, Tensor, Tensor]:
    """N, μ and σ² of all processes. One without values counts for nothing, and takes part all the same."""
    here = torch.cat([mean.view(-1), var.view(-1), mean.new_full((1,), count)])
    everywhere = [torch.empty_like(here) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everywhere, here, group=group)
    means, variances, counts = torch.stack(everywhere).split([mean.numel(), mean.numel(), 1], 1)
    n = counts.sum()
    overall = (counts * means).sum(0) / n
    together = (counts * (variances + (means - overall).square())).sum(0) / n
    return n, overall.view(mean.shape), together.view(mean.shape)
