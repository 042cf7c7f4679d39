r"""Scheduling: how the learning rate changes while a network learns.

Far from a minimum large steps save time, close to it they jump over it. After step $t = 0, 1, 2, \dots$ of the
scheduler (``last_epoch``) the learning rate of each parameter group is, with $\gamma_0$ the one that it began with
(``initial_lr``),

| scheduler | learning rate |
|---|---|
| StepLR | $\gamma_0\, g^{\lfloor t / s \rfloor}$, with $g$ = ``gamma``, $s$ = ``step_size`` |
| MultiStepLR | $\gamma_0\, g^{k}$, with $k$ the number of ``milestones`` up to $t$ |
| ExponentialLR | $\gamma_0\, g^t$ |
| LinearLR | $\gamma_0 \left( a + (b - a) \min(t, T) / T \right)$, ``start_factor``, ``end_factor``, ``total_iters`` |
| CosineAnnealingLR | $\eta + (\gamma_0 - \eta) (1 + \cos(\pi t / T)) / 2$, with $T$ = ``T_max``, $\eta$ = ``eta_min`` |
| LambdaLR | $\gamma_0\, \lambda(t)$, with $\lambda$ = ``lr_lambda`` |
| OneCycleLR | from ``max_lr / div_factor`` to ``max_lr`` and down to nearly 0; momentum the other way round |
| ReduceLROnPlateau | times ``factor``, when ``metrics`` has not improved for more than ``patience`` steps |
| SequentialLR | that of one of its ``schedulers`` after the other, which change at the ``milestones`` |

The naive tier computes these formulas. The handmade tier, like torch, computes each learning rate from the one before,
$\gamma_t = \gamma_{t-1} \cdot \gamma(t) / \gamma(t-1)$, so that several schedulers can act on one optimizer, and
anybody can change a learning rate in between. A formula knows nothing of such a change: then the naive tier refuses to
go on. With a learning rate that is a tensor, that tensor is written to.

The two agree up to rounding, which the recursion adds up. Where a scheduler is made with ``last_epoch`` in mid-run,
torch's StepLR and MultiStepLR, and so the handmade ones, multiply at once if that step is one of theirs; the formula
does not count it twice.

Sources: Loshchilov, Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017 (cosine); Smith, Topin,
*Super-convergence*, 2019 (one cycle); Goyal et al., *Accurate, large minibatch SGD*, 2017 (linear warm-up).
"""

from typing import Any, SupportsFloat

import torch.optim.lr_scheduler
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered, warn

Rates = list[float | Tensor]


class _TieredScheduler(Tiered):
    """What the schedulers share: their state is torch's, without the tier."""

    def state_dict(self) -> dict[str, Any]:
        """torch's."""
        # torch's has every attribute
        state: dict[str, Any] = super().state_dict()  # type: ignore[misc]
        return {name: value for name, value in state.items() if name != "ops"}


class StepLR(_TieredScheduler, torch.optim.lr_scheduler.StepLR):
    """Times ``gamma`` every ``step_size`` steps.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [(optimizer.step(), scheduler.step(), scheduler.get_last_lr())[-1] for _ in range(4)]
    [[1.0], [0.5], [0.5], [0.25]]
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups."""
        _warn_outside_step(self)
        return self.ops.step_lr(self)

    def _get_closed_form_lr(self) -> Rates:
        return self.ops.step_lr_closed(self)


class MultiStepLR(_TieredScheduler, torch.optim.lr_scheduler.MultiStepLR):
    """Times ``gamma`` at each of the ``milestones``.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> [(optimizer.step(), scheduler.step(), scheduler.get_last_lr())[-1] for _ in range(4)]
    [[0.5], [0.5], [0.25], [0.25]]
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups."""
        _warn_outside_step(self)
        return self.ops.multi_step_lr(self)

    def _get_closed_form_lr(self) -> Rates:
        return self.ops.multi_step_lr_closed(self)


class ExponentialLR(_TieredScheduler, torch.optim.lr_scheduler.ExponentialLR):
    """Times ``gamma`` at every step.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = ExponentialLR(optimizer, gamma=0.5)
    >>> [(optimizer.step(), scheduler.step(), scheduler.get_last_lr())[-1] for _ in range(3)]
    [[0.5], [0.25], [0.125]]
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups."""
        _warn_outside_step(self)
        return self.ops.exponential_lr(self)

    def _get_closed_form_lr(self) -> Rates:
        return self.ops.exponential_lr_closed(self)


class LinearLR(_TieredScheduler, torch.optim.lr_scheduler.LinearLR):
    """From ``start_factor`` times the learning rate to ``end_factor`` times it, along a line.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> [(optimizer.step(), scheduler.step(), scheduler.get_last_lr())[-1] for _ in range(4)]
    [[0.5], [0.75], [1.0], [1.0]]
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups."""
        _warn_outside_step(self)
        return self.ops.linear_lr(self)

    def _get_closed_form_lr(self) -> Rates:
        return self.ops.linear_lr_closed(self)


class CosineAnnealingLR(_TieredScheduler, torch.optim.lr_scheduler.CosineAnnealingLR):
    """Down to ``eta_min`` along half a wave, in ``T_max`` steps, and up again.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=2)
    >>> [(optimizer.step(), scheduler.step(), round(scheduler.get_last_lr()[0], 6))[-1] for _ in range(4)]
    [0.5, 0.0, 0.5, 1.0]
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups."""
        _warn_outside_step(self)
        return self.ops.cosine_annealing_lr(self)

    def _get_closed_form_lr(self) -> Rates:
        return self.ops.cosine_annealing_lr_closed(self)


class LambdaLR(_TieredScheduler, torch.optim.lr_scheduler.LambdaLR):
    """The first learning rate times a function of the step.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = LambdaLR(optimizer, lambda t: 1 / (t + 1))
    >>> [(optimizer.step(), scheduler.step(), scheduler.get_last_lr())[-1] for _ in range(3)]
    [[0.5], [0.3333333333333333], [0.25]]
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups."""
        _warn_outside_step(self)
        return self.ops.lambda_lr(self)


class OneCycleLR(_TieredScheduler, torch.optim.lr_scheduler.OneCycleLR):
    """Up to ``max_lr``, and down to nearly nothing, in ``total_steps``; the momentum goes the other way.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.4, anneal_strategy="linear")
    >>> [(optimizer.step(), scheduler.step(), round(scheduler.get_last_lr()[0], 4))[-1] for _ in range(4)]
    [1.0, 0.6667, 0.3333, 0.0]
    >>> optimizer.param_groups[0]["momentum"]
    0.95
    """

    def get_lr(self) -> Rates:
        """The next learning rates, of all parameter groups; the next momentum is set."""
        _warn_outside_step(self)
        return self.ops.one_cycle_lr(self)


class ReduceLROnPlateau(_TieredScheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
    """Times ``factor``, when a metric has not improved for more than ``patience`` steps.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> [(scheduler.step(loss), scheduler.get_last_lr())[-1] for loss in (3.0, 2.0, 2.0, 2.5)]
    [[1.0], [1.0], [1.0], [0.5]]
    """

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]  # as torch's
        """Look at ``metrics``, of which a new best one is waited for, and reduce the learning rates if it is time."""
        self.ops.reduce_lr_on_plateau(self, metrics, epoch)


class SequentialLR(_TieredScheduler, torch.optim.lr_scheduler.SequentialLR):
    """One scheduler after the other. Each has a tier of its own.

    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> schedulers = [LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.1)]
    >>> scheduler = SequentialLR(optimizer, schedulers, milestones=[2])
    >>> [(optimizer.step(), scheduler.step(), scheduler.get_last_lr())[-1] for _ in range(3)]
    [[0.75], [1.0], [0.1]]
    """

    def step(self) -> None:  # type: ignore[override]  # as torch's
        """Let the scheduler whose turn it is take a step; at a milestone, begin."""
        self.ops.sequential_lr(self)


def _warn_outside_step(scheduler: Any) -> None:
    # torch's own says it by itself
    if scheduler.tier != "builtin" and not scheduler._get_lr_called_within_step:
        warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            stacklevel=3,
        )


_FUNCTIONS: dict[str, Any] = {
    "lambda_lr": torch.optim.lr_scheduler.LambdaLR.get_lr,
    "one_cycle_lr": torch.optim.lr_scheduler.OneCycleLR.get_lr,
    "reduce_lr_on_plateau": torch.optim.lr_scheduler.ReduceLROnPlateau.step,
    "sequential_lr": torch.optim.lr_scheduler.SequentialLR.step,
}
_WITH_CLOSED_FORM: dict[str, Any] = {
    "step_lr": torch.optim.lr_scheduler.StepLR,
    "multi_step_lr": torch.optim.lr_scheduler.MultiStepLR,
    "exponential_lr": torch.optim.lr_scheduler.ExponentialLR,
    "linear_lr": torch.optim.lr_scheduler.LinearLR,
    "cosine_annealing_lr": torch.optim.lr_scheduler.CosineAnnealingLR,
}
_FUNCTIONS |= {name: cls.get_lr for name, cls in _WITH_CLOSED_FORM.items()}
_FUNCTIONS |= {f"{name}_closed": cls._get_closed_form_lr for name, cls in _WITH_CLOSED_FORM.items()}

CONCEPT = Concept(
    title="learning rates that change",
    home=torch.optim.lr_scheduler,
    family="optim.lr_scheduler",
    functions={name: Function(builtin=method) for name, method in _FUNCTIONS.items()},
    classes={
        StepLR: ("step_lr", "step_lr_closed"),
        MultiStepLR: ("multi_step_lr", "multi_step_lr_closed"),
        ExponentialLR: ("exponential_lr", "exponential_lr_closed"),
        LinearLR: ("linear_lr", "linear_lr_closed"),
        CosineAnnealingLR: ("cosine_annealing_lr", "cosine_annealing_lr_closed"),
        LambdaLR: "lambda_lr",
        OneCycleLR: "one_cycle_lr",
        ReduceLROnPlateau: "reduce_lr_on_plateau",
        SequentialLR: "sequential_lr",
    },
)
