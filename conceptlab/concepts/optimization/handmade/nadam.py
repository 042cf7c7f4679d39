r"""NAdam: Adam whose step looks one gradient ahead.

**Nesterov's momentum.** A step of momentum $\mu$ goes along $\mu_t m_{t-1} + (1 - \mu_t)\, g_t$: the old average enters
the step, then the gradient. Nesterov would look at the gradient where the momentum of the *next* step leads. Dozat
takes that step of momentum at once, with the average as it is now, and leaves the gradient in its place:

$$ \bar m_t = (1 - \mu_t)\, g_t + \mu_{t+1} m_t. $$

**Bias.** With a momentum that changes, the weights of the gradients in an average that starts at 0 add up to $1 -
\prod_{s \le t} \mu_s$: true of $t = 0$, and $\mu_t (1 - \prod_{s < t} \mu_s) + (1 - \mu_t) = 1 - \prod_{s \le t}
\mu_s$. So with $\Pi_t = \prod_{s \le t} \mu_s$ (``mu_product``) the gradient is divided by $1 - \Pi_t$, and the
average, which stands for one step later, by $1 - \Pi_t \mu_{t+1}$. With $c_2 = 1 - \beta_2^t$, and numerator and
denominator multiplied by $\sqrt{c_2}$, as in Adam,

$$ \theta \leftarrow \theta - \gamma \sqrt{c_2}\, \frac{1 - \mu_t}{1 - \Pi_t} \cdot
   \frac{g_t}{\sqrt v + \epsilon \sqrt{c_2}}
   - \gamma \sqrt{c_2}\, \frac{\mu_{t+1}}{1 - \Pi_t \mu_{t+1}} \cdot \frac{m}{\sqrt v + \epsilon \sqrt{c_2}}. $$
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.optimization.handmade.pieces import (
    as_real,
    check_steps,
    groups,
    in_float32,
    scalar,
    write_back,
)


def nadam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    mu_products: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    momentum_decay: float,
    eps: float,
) -> None:
    check_steps("nadam", params, capturable, mu_products=mu_products, state_steps=state_steps)
    if not params:
        return
    numbers: list[Any] = [scalar(x) for x in (beta1, beta2, lr, weight_decay, momentum_decay)]
    beta1, beta2, lr, weight_decay, momentum_decay = numbers
    options = (beta1, beta2, lr, weight_decay, eps, maximize, decoupled_weight_decay)
    columns = as_real([params, grads, exp_avgs, exp_avg_sqs])
    torch._foreach_add_(state_steps, 1)
    # One by one, with step count and product as tensors: what needs a derivative or is recorded for later steps, and
    # hyperparameters that are tensors, whose values stay on their device.
    recorded = capturable or differentiable or torch.compiler.is_compiling()
    if recorded or any(isinstance(x, Tensor) for x in numbers) or not all(step.is_cpu for step in state_steps):
        for *row, product, step in zip(*columns, mu_products, state_steps, strict=True):
            t = step.to(torch.float64, copy=True)
            mu, mu_next = (_momentum(beta1, at, momentum_decay) for at in (t, t + 1))
            # copies: the state is about to change again, and the derivative needs it as it was
            now = product.clone() * mu
            product.copy_(now)
            _step_one(*row, sizes=_sizes(mu, mu_next, now, beta2**t, lr), options=options)
        return
    # Both lie on the CPU: reading them waits for no device. They are mostly the same for all parameters.
    counts = torch.stack(state_steps).tolist()
    mus = [_momentum(beta1, t, momentum_decay) for t in counts]
    torch._foreach_mul_(mu_products, mus)
    ages = list(zip(counts, mus, torch.stack(mu_products).tolist(), strict=True))
    for age in dict.fromkeys(ages):
        t, mu, product = age
        sizes = _sizes(mu, _momentum(beta1, t + 1, momentum_decay), product, beta2**t, lr)
        of_age = [[x for x, other in zip(column, ages, strict=True) if other == age] for column in columns]
        for group in groups(of_age):
            _step_together(*group, sizes=sizes, options=options)


def _momentum(beta1: Any, t: Any, momentum_decay: Any) -> Any:
    """It grows from about half of ``beta1`` to ``beta1``."""
    return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))


def _sizes(mu: Any, mu_next: Any, product: Any, power: Any, lr: Any) -> tuple[Any, Any, Any]:
    """What the gradient, the average and ``eps`` are multiplied by."""
    root = (1 - power) ** 0.5
    return lr * root * (1 - mu) / (1 - product), lr * root * mu_next / (1 - product * mu_next), root


def _step_together(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    exp_avgs: Sequence[Tensor],
    exp_avg_sqs: Sequence[Tensor],
    *,
    sizes: tuple,
    options: tuple,
) -> None:
    beta1, beta2, lr, weight_decay, eps, maximize, decoupled_weight_decay = options
    states = (params, exp_avgs, exp_avg_sqs)
    p, m, v = results = [in_float32(column) for column in states]
    g = in_float32(grads)
    if maximize:
        g = torch._foreach_neg(g)
    if weight_decay != 0 and decoupled_weight_decay:
        torch._foreach_mul_(p, 1 - lr * weight_decay)
    elif weight_decay != 0:
        g = torch._foreach_add(g, p, alpha=weight_decay)
    torch._foreach_lerp_(m, g, 1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, value=1 - beta2)
    of_gradient, of_average, root = sizes
    denominator = torch._foreach_sqrt(v)
    torch._foreach_add_(denominator, eps * root)
    torch._foreach_addcdiv_(p, g, denominator, value=-of_gradient)
    torch._foreach_addcdiv_(p, m, denominator, value=-of_average)
    for originals, computed in zip(states, results, strict=True):
        write_back(originals, computed)


def _step_one(
    param: Tensor, grad: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, *, sizes: tuple, options: tuple
) -> None:
    """The same for one parameter, in operations that can be differentiated."""
    beta1, beta2, lr, weight_decay, eps, maximize, decoupled_weight_decay = options
    states = (param, exp_avg, exp_avg_sq)
    # copies: the originals are about to change, and the derivative needs them as they were
    p, m, v = in_float32([x.clone() for x in states])
    (g,) = in_float32([grad])
    if maximize:
        g = -g
    if weight_decay != 0 and decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    elif weight_decay != 0:
        g = g + p * weight_decay
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    of_gradient, of_average, root = sizes
    p = p - (g * of_gradient + m * of_average) / (torch.sqrt(v) + eps * root)
    write_back(states, (p, m, v))
