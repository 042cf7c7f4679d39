"""The schedulers by their formulas: each learning rate from the first one and the number of the step.

A function here is torch's method of the scheduler, ``self``, whose attributes have torch's names.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, SupportsFloat

from torch import Tensor
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING

Rates = list[float | Tensor]


def step_lr(self: Any) -> Rates:
    return _followed(self, _step)


def step_lr_closed(self: Any) -> Rates:
    return _step(self, self.last_epoch)


def _step(self: Any, t: int) -> Rates:
    return [base * self.gamma ** (t // self.step_size) for base in self.base_lrs]


def multi_step_lr(self: Any) -> Rates:
    return _followed(self, _multi_step)


def multi_step_lr_closed(self: Any) -> Rates:
    return _multi_step(self, self.last_epoch)


def _multi_step(self: Any, t: int) -> Rates:
    passed = sum(count for milestone, count in self.milestones.items() if milestone <= t)
    return [base * self.gamma**passed for base in self.base_lrs]


def exponential_lr(self: Any) -> Rates:
    return _followed(self, _exponential)


def exponential_lr_closed(self: Any) -> Rates:
    return _exponential(self, self.last_epoch)


def _exponential(self: Any, t: int) -> Rates:
    return [base * self.gamma**t for base in self.base_lrs]


def linear_lr(self: Any) -> Rates:
    return _followed(self, _linear)


def linear_lr_closed(self: Any) -> Rates:
    return _linear(self, self.last_epoch)


def _linear(self: Any, t: int) -> Rates:
    part = min(t, self.total_iters) / self.total_iters if self.total_iters else 0
    factor = self.start_factor + (self.end_factor - self.start_factor) * part
    return [base * factor for base in self.base_lrs]


def cosine_annealing_lr(self: Any) -> Rates:
    return _followed(self, _cosine)


def cosine_annealing_lr_closed(self: Any) -> Rates:
    return _cosine(self, self.last_epoch)


def _cosine(self: Any, t: int) -> Rates:
    part = (1 + math.cos(math.pi * t / self.T_max)) / 2
    return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


def lambda_lr(self: Any) -> Rates:
    return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


def one_cycle_lr(self: Any) -> Rates:
    t, rates = self.last_epoch, []
    if t > self.total_steps:
        raise ValueError(f"Tried to step {t} times. The specified number of total steps is {self.total_steps}")
    ends = [phase["end_step"] for phase in self._schedule_phases]
    now = min([i for i, end in enumerate(ends) if t <= end], default=len(ends) - 1)
    begin = ends[now - 1] if now > 0 else 0
    phase, part = self._schedule_phases[now], (t - begin) / (ends[now] - begin)
    if self._anneal_func_type == "cos":
        part = (1 - math.cos(math.pi * part)) / 2
    for group in self.optimizer.param_groups:
        start, end = group[phase["start_lr"]], group[phase["end_lr"]]
        rates.append(start + (end - start) * part)
        if self.cycle_momentum:
            start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
            momentum = start + (end - start) * part
            group |= {"betas": (momentum, *group["betas"][1:])} if self.use_beta1 else {"momentum": momentum}
    return rates


def reduce_lr_on_plateau(self: Any, metrics: SupportsFloat, epoch: int | None = None) -> None:
    current = float(metrics)
    if epoch is not None:
        warnings.warn(EPOCH_DEPRECATION_WARNING, stacklevel=4)
    self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
    if self.mode == "min" and self.threshold_mode == "rel":
        better = current < self.best * (1 - self.threshold)
    elif self.mode == "min":
        better = current < self.best - self.threshold
    elif self.threshold_mode == "rel":
        better = current > self.best * (self.threshold + 1)
    else:
        better = current > self.best + self.threshold
    if better:
        self.best = current
    self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
    if self.cooldown_counter > 0:
        self.cooldown_counter -= 1
        self.num_bad_epochs = 0
    if self.num_bad_epochs > self.patience:
        self.cooldown_counter = self.cooldown
        self.num_bad_epochs = 0
        _reduce(self)
    self._last_lr = _now(self)


def _reduce(self: Any) -> None:
    groups = self.optimizer.param_groups
    if len(groups) != len(self.min_lrs) and self.default_min_lr is None:
        raise RuntimeError(
            f"ReduceLROnPlateau: The number of param groups in the `optimizer` ({len(groups)}) differs from when "
            f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}): set min_lrs to a list of that length"
        )
    if len(groups) != len(self.min_lrs):
        self.min_lrs = [self.default_min_lr] * len(groups)
    for group, lowest in zip(groups, self.min_lrs, strict=True):
        old = float(group["lr"])
        new = max(old * self.factor, lowest)
        if old - new <= self.eps:
            continue
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(new)
        else:
            group["lr"] = new


def sequential_lr(self: Any) -> None:
    self.last_epoch += 1
    passed = [milestone for milestone in self._milestones if milestone <= self.last_epoch]
    scheduler = self._schedulers[len(passed)]
    if self.last_epoch in passed[-1:]:
        scheduler._update_lr(0)
    else:
        scheduler.step()
    self._last_lr = scheduler.get_last_lr()


def _now(self: Any) -> Rates:
    rates = [group["lr"] for group in self.optimizer.param_groups]
    return [rate.clone() if isinstance(rate, Tensor) else rate for rate in rates]


def _followed(self: Any, formula: Callable[[Any, int], Rates]) -> Rates:
    """The formula's learning rates. It does not know of changes by others, so there must have been none."""
    if self._get_lr_called_within_step and not self._is_initial:
        now, before = _now(self), formula(self, self.last_epoch - 1)
        close = [
            math.isclose(float(a), float(b), rel_tol=1e-5, abs_tol=1e-15) for a, b in zip(now, before, strict=False)
        ]
        if len(now) != len(before) or not all(close):
            raise NotImplementedError(
                f"{type(self).__name__}(tier='naive'): expected the learning rates that its formula gave, {before}, "
                f"received {now}, which something else has changed. The tier 'handmade' goes on from there."
            )
    return formula(self, self.last_epoch)
