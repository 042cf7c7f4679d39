r"""Optimization: how a gradient becomes a step of the parameters.

With the parameters $\theta$ (``params``), their gradient $g_t$ at step $t = 1, 2, \dots$ (negated if ``maximize``) and
the step size $\gamma$ (``lr``):

**SGD.** $\lambda$ is ``weight_decay``, $\mu$ ``momentum``, $\tau$ ``dampening``.

$$ g \leftarrow g_t + \lambda \theta, \qquad b \leftarrow \mu b + (1 - \tau)\, g \quad (b = g \text{ at first}), \qquad
   \theta \leftarrow \theta - \gamma\, b $$

The momentum buffer $b$ remembers earlier gradients: along a valley they add up to $1 / (1 - \mu)$ times one of them,
across it they cancel. With ``nesterov`` the step is $g + \mu b$: the next buffer, if the gradient stays.

**Adam.** $\beta_1, \beta_2$ are ``betas``, $\epsilon$ is ``eps``; $m$ and $v$ (``exp_avg``, ``exp_avg_sq``) start at 0.

$$ m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2, \qquad
   \theta \leftarrow \theta - \gamma\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} $$

Each parameter moves by about $\gamma$, whatever the size of its gradient. With ``amsgrad`` the largest $v$ so far
stands for $v$. In Adam, weight decay enters the gradient, $g = g_t + \lambda \theta$, and so is scaled like one; in
**AdamW** it shrinks the parameters by itself, $\theta \leftarrow (1 - \gamma \lambda)\, \theta$ before the step.

**RMSprop** divides by the root of a mean of squares, and corrects no bias. $\alpha$ is ``alpha``; $v$ (``square_avg``),
$m$ (``grad_avg``) and $b$ (``momentum_buffer``) start at 0. If ``centered``, $\tilde v = v - m^2$, an estimate of the
variance, else $\tilde v = v$.

$$ v \leftarrow \alpha v + (1 - \alpha)\, g^2, \qquad m \leftarrow \alpha m + (1 - \alpha)\, g, \qquad
   b \leftarrow \mu b + \frac{g}{\sqrt{\tilde v} + \epsilon}, \qquad \theta \leftarrow \theta - \gamma\, b $$

**Adagrad** divides by the root of the sum of all squares so far. $\eta$ is ``lr_decay``; $s$ (``sum``) starts at
``initial_accumulator_value``. It takes sparse gradients, and then touches only the entries they hold.

$$ s \leftarrow s + g^2, \qquad
   \theta \leftarrow \theta - \frac{\gamma}{1 + (t - 1)\, \eta} \cdot \frac{g}{\sqrt s + \epsilon} $$

**NAdam** is Adam with Nesterov's momentum, which grows from half of $\beta_1$ to $\beta_1$. $\psi$ is
``momentum_decay``; $\Pi$ (``mu_product``) starts at 1; weight decay is Adam's, or AdamW's if
``decoupled_weight_decay``.

$$ \mu_t = \beta_1 \left( 1 - \tfrac12\, 0.96^{t \psi} \right), \qquad \Pi \leftarrow \Pi\, \mu_t, \qquad
   \theta \leftarrow \theta - \frac{\gamma}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}
   \left( \frac{\mu_{t+1}\, m}{1 - \Pi\, \mu_{t+1}} + \frac{(1 - \mu_t)\, g}{1 - \Pi} \right) $$

Parameters without a gradient are left alone. A complex number is two real ones to all but SGD. Parameters in half
precision have their state in half precision, as torch has it. ``foreach`` and ``fused`` choose between torch's programs
of one formula; a tier has one program, and takes either. ``differentiable`` and ``capturable`` mean what they do in
torch.

Sources: Robbins, Monro, *A stochastic approximation method*, 1951; Sutskever et al., *On the importance of
initialization and momentum in deep learning*, 2013; Kingma, Ba, *Adam*, 2015; Reddi et al., *On the convergence of Adam
and beyond*, 2018 (amsgrad); Loshchilov, Hutter, *Decoupled weight decay regularization*, 2019 (AdamW); Tieleman,
Hinton, *Neural networks for machine learning*, lecture 6.5, 2012 (RMSprop); Graves, *Generating sequences with
recurrent neural networks*, 2013 (centered); Duchi, Hazan, Singer, *Adaptive subgradient methods for online learning and
stochastic optimization*, 2011 (Adagrad); Dozat, *Incorporating Nesterov momentum into Adam*, 2016 (NAdam).
"""

from collections.abc import Callable
from typing import Any

import torch.optim
from torch import Tensor
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.nadam import nadam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from conceptlab.core import Concept, Function, Tiered, message


class _TieredOptimizer(Tiered):
    """What the optimizers share: a step goes through the parameter groups, and copies and pickles keep the tier."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters, after calling ``closure``, if there is one, for a new loss and new gradients."""
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                self.update_group(group)
        return loss

    def __getstate__(self) -> dict[str, Any]:
        # torch's lists what it keeps
        state: Any = super().__getstate__()
        return state | {"ops": self.ops}

    def __repr__(self) -> str:
        return f"{super().__repr__().removesuffix(')')}tier: {self.tier}\n)"


class SGD(_TieredOptimizer, torch.optim.SGD):
    """Stochastic gradient descent, with momentum and weight decay.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> SGD([w], lr=0.1).step()
    >>> w.data
    tensor([0.8000])
    """

    def update_group(self, group: dict[str, Any]) -> None:
        """Update one parameter group."""
        params: list[Tensor] = []
        grads: list[Tensor] = []
        buffers: list[Tensor | None] = []
        has_sparse_grad = self._init_group(group, params, grads, buffers)
        options = ("weight_decay", "momentum", "lr", "dampening", "nesterov", "maximize", "foreach", "fused")
        self.ops.sgd(
            params,
            grads,
            buffers,
            has_sparse_grad=has_sparse_grad,
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
            **{option: group[option] for option in options},
        )
        if group["momentum"] != 0:
            for param, buffer in zip(params, buffers, strict=True):
                self.state[param]["momentum_buffer"] = buffer


class Adam(_TieredOptimizer, torch.optim.Adam):
    """Adam: each parameter's step is scaled by the size of its own recent gradients.

    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    >>> w.grad = torch.tensor([0.01, 50.0])
    >>> Adam([w], lr=0.1).step()
    >>> w.data
    tensor([0.9000, 0.9000])
    """

    def update_group(self, group: dict[str, Any]) -> None:
        """Update one parameter group."""
        params: list[Tensor] = []
        state: tuple[list[Tensor], ...] = ([], [], [], [], [])  # gradients, m, v, the largest v, t
        has_complex = self._init_group(group, params, *state)
        _refuse_capture(type(self).__name__, params, group["capturable"])
        beta1, beta2 = group["betas"]
        options = ("amsgrad", "lr", "weight_decay", "eps", "maximize", "foreach", "capturable", "differentiable")
        self.ops.adam(
            params,
            *state,
            has_complex=has_complex,
            beta1=beta1,
            beta2=beta2,
            fused=group["fused"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
            **{option: group[option] for option in options},
        )


class AdamW(Adam, torch.optim.AdamW):
    """Adam with weight decay that shrinks the parameters directly, not by way of the gradient.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([0.0])
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    tensor([0.9500])
    """


class RMSprop(_TieredOptimizer, torch.optim.RMSprop):
    """RMSprop: the gradient over the root mean square of its recent values.

    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    >>> w.grad = torch.tensor([0.01, 50.0])
    >>> RMSprop([w], lr=0.1, alpha=0.75).step()
    >>> w.data
    tensor([0.8000, 0.8000])
    """

    def update_group(self, group: dict[str, Any]) -> None:
        """Update one parameter group."""
        params: list[Tensor] = []
        state: tuple[list[Tensor], ...] = ([], [], [], [], [])
        grads, square_avgs, buffers, grad_avgs, steps = state
        has_complex = self._init_group(group, params, *state)
        _refuse_capture(type(self).__name__, params, group["capturable"])
        options = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")
        flags = ("foreach", "maximize", "differentiable", "capturable")
        self.ops.rmsprop(
            *(params, grads, square_avgs, grad_avgs, buffers, steps),
            has_complex=has_complex,
            **{option: group[option] for option in (*options, *flags)},
        )


class Adagrad(_TieredOptimizer, torch.optim.Adagrad):
    """Adagrad: the gradient over the root of the sum of all its squares so far.

    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> for _ in range(4):
    ...     w.grad = torch.tensor([0.01, 50.0])
    ...     optimizer.step()
    >>> w.data  # 1 - 0.1 (1 + 1/√2 + 1/√3 + 1/√4)
    tensor([0.7216, 0.7216])
    """

    def update_group(self, group: dict[str, Any]) -> None:
        """Update one parameter group."""
        params: list[Tensor] = []
        state: tuple[list[Tensor], ...] = ([], [], [])  # gradients, sums, t
        has_sparse_grad, has_complex = self._init_group(group, params, *state)
        options = ("lr", "weight_decay", "lr_decay", "eps", "maximize", "foreach", "differentiable", "fused")
        self.ops.adagrad(
            params,
            *state,
            has_sparse_grad=has_sparse_grad,
            has_complex=has_complex,
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
            **{option: group[option] for option in options},
        )


class NAdam(_TieredOptimizer, torch.optim.NAdam):
    """Adam with Nesterov's momentum.

    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    >>> w.grad = torch.tensor([0.01, 50.0])
    >>> NAdam([w], lr=0.1, betas=(0.8, 0.9), momentum_decay=0.0).step()
    >>> w.data
    tensor([0.8905, 0.8905])
    """

    def update_group(self, group: dict[str, Any]) -> None:
        """Update one parameter group."""
        params: list[Tensor] = []
        state: tuple[list[Tensor], ...] = ([], [], [], [], [])  # gradients, m, v, Π, t
        has_complex = self._init_group(group, params, *state)
        _refuse_capture(type(self).__name__, params, group["capturable"])
        beta1, beta2 = group["betas"]
        options = ("lr", "weight_decay", "momentum_decay", "eps", "maximize", "decoupled_weight_decay")
        flags = ("foreach", "capturable", "differentiable")
        self.ops.nadam(
            params,
            *state,
            has_complex=has_complex,
            beta1=beta1,
            beta2=beta2,
            **{option: group[option] for option in (*options, *flags)},
        )


def _refuse_capture(where: str, params: list[Tensor], capturable: bool) -> None:
    # recorded in a CUDA graph, today's bias correction would be applied for ever
    if capturable or torch.compiler.is_compiling() or not any(p.is_cuda for p in params[:1]):
        return
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError(
            message(
                f"{where}.step: CUDA graph capture",
                expected="capturable=True",
                received="param_groups' capturable is False",
                remedy="Construct the optimizer with capturable=True.",
            )
        )


CONCEPT = Concept(
    title="from gradients to steps",
    home=torch.optim,
    family="optim",
    functions={
        "sgd": Function(builtin=sgd),
        "adam": Function(builtin=adam),
        "adamw": Function(builtin=adamw),
        "rmsprop": Function(builtin=rmsprop),
        "adagrad": Function(builtin=adagrad),
        "nadam": Function(builtin=nadam),
    },
    classes={SGD: "sgd", Adam: "adam", AdamW: "adam", RMSprop: "rmsprop", Adagrad: "adagrad", NAdam: "nadam"},
)
