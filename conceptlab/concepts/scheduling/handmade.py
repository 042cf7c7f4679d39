r"""The schedulers, each learning rate from the one before it.

With the formula $\gamma(t)$ of the page and $\gamma_{t-1}$ what is there now, the next one is
$\gamma_t = \gamma_{t-1}\, \gamma(t) / \gamma(t-1)$.

**Powers.** $g^t / g^{t-1} = g$; of StepLR and MultiStepLR the exponent grows at some steps only.

**A line.** With $\lambda(t) = a + (b - a)\, t / T$, multiplied by $T$ above and below,

$$ \frac{\lambda(t)}{\lambda(t-1)} = 1 + \frac{\lambda(t) - \lambda(t-1)}{\lambda(t-1)}
   = 1 + \frac{b - a}{T a + (t - 1) (b - a)}. $$

**A wave.** What shrinks is the distance from $\eta$:

$$ \gamma_t - \eta = (\gamma_{t-1} - \eta)\, \frac{1 + \cos(\pi t / T)}{1 + \cos(\pi (t - 1) / T)}. $$

After the minimum, at $t - 1 = T, 3T, \dots$, this is 0 / 0. There the difference is added instead:
$(\gamma_0 - \eta) (1 + \cos(\pi + \pi / T)) / 2 = (\gamma_0 - \eta) (1 - \cos(\pi / T)) / 2$.

**From one value to another**, for OneCycleLR, with $p$ the part of the phase that is over: $(e - s)\, p + s$, or, along
half a wave, $e + (s - e) (1 + \cos \pi p) / 2$.

A function here is torch's method of the scheduler, ``self``, whose attributes have torch's names. It is called once a
step of the scheduler, and all that it does is numbers of Python.
"""

import math
from bisect import bisect_left, bisect_right
from typing import Any, SupportsFloat

from torch import Tensor
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING

from conceptlab.core import message, warn

Rates = list[float | Tensor]


def step_lr(self: Any) -> Rates:
    rates = _now(self)
    if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
        return rates
    return [rate * self.gamma for rate in rates]


def step_lr_closed(self: Any) -> Rates:
    factor = self.gamma ** (self.last_epoch // self.step_size)
    return [base * factor for base in self.base_lrs]


def multi_step_lr(self: Any) -> Rates:
    # a milestone may stand in the list several times
    factor = self.gamma ** self.milestones.get(self.last_epoch, 0)
    return [rate * factor for rate in _now(self)]


def multi_step_lr_closed(self: Any) -> Rates:
    factor = self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)
    return [base * factor for base in self.base_lrs]


def exponential_lr(self: Any) -> Rates:
    rates = _now(self)
    return rates if self._is_initial else [rate * self.gamma for rate in rates]


def exponential_lr_closed(self: Any) -> Rates:
    factor = self.gamma**self.last_epoch
    return [base * factor for base in self.base_lrs]


def linear_lr(self: Any) -> Rates:
    rates, t, rise = _now(self), self.last_epoch, self.end_factor - self.start_factor
    if t == 0:
        return [rate * self.start_factor for rate in rates]
    if self._is_initial or t > self.total_iters:
        return rates
    factor = 1 + rise / (self.total_iters * self.start_factor + (t - 1) * rise)
    return [rate * factor for rate in rates]


def linear_lr_closed(self: Any) -> Rates:
    rise = self.end_factor - self.start_factor
    factor = self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters
    return [base * factor for base in self.base_lrs]


def cosine_annealing_lr(self: Any) -> Rates:
    t, period, lowest = self.last_epoch, self.T_max, self.eta_min
    if self._is_initial:
        return _now(self)
    if self._step_count == 1 and t > 0:
        # asked by hand, before a first step of a scheduler that began in mid-run
        return cosine_annealing_lr_closed(self)
    if (t - 1 - period) % (2 * period) == 0:
        rise = (1 - math.cos(math.pi / period)) / 2
        return [rate + (base - lowest) * rise for rate, base in zip(_now(self), self.base_lrs, strict=True)]
    factor = (1 + math.cos(math.pi * t / period)) / (1 + math.cos(math.pi * (t - 1) / period))
    return [factor * (rate - lowest) + lowest for rate in _now(self)]


def cosine_annealing_lr_closed(self: Any) -> Rates:
    part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
    return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


def lambda_lr(self: Any) -> Rates:
    return [base * function(self.last_epoch) for function, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


def one_cycle_lr(self: Any) -> Rates:
    t = self.last_epoch
    rates: Rates = []
    if t > self.total_steps:
        raise ValueError(
            message(
                f"OneCycleLR: Tried to step {t} times. The specified number of total steps is {self.total_steps}",
                expected=f"at most {self.total_steps} steps",
                received=f"step {t}",
                remedy="Give total_steps, or epochs and steps_per_epoch, that cover the whole training.",
            )
        )
    ends = [phase["end_step"] for phase in self._schedule_phases]
    now = min(bisect_left(ends, t), len(ends) - 1)
    phase, begin = self._schedule_phases[now], ends[now - 1] if now > 0 else 0.0
    part = (t - begin) / (ends[now] - begin)
    anneal = _along_a_wave if self._anneal_func_type == "cos" else _along_a_line
    for group in self.optimizer.param_groups:
        rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
        if self.cycle_momentum:
            momentum = anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
            if self.use_beta1:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
    return rates


def _along_a_line(start: float, end: float, part: float) -> float:
    return (end - start) * part + start


def _along_a_wave(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)


def reduce_lr_on_plateau(self: Any, metrics: SupportsFloat, epoch: int | None = None) -> None:
    current = float(metrics)
    if epoch is not None:
        warn(EPOCH_DEPRECATION_WARNING, stacklevel=4)
    self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
    margin = self.threshold if self.mode == "max" else -self.threshold
    bar = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
    if current > bar if self.mode == "max" else current < bar:
        self.best, self.num_bad_epochs = current, 0
    else:
        self.num_bad_epochs += 1
    if self.cooldown_counter > 0:
        self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
    if self.num_bad_epochs > self.patience:
        _reduce(self)
        self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
    self._last_lr = _now(self)


def _reduce(self: Any) -> None:
    groups = self.optimizer.param_groups
    if len(groups) != len(self.min_lrs):
        if self.default_min_lr is None:
            raise RuntimeError(
                message(
                    "ReduceLROnPlateau: The number of param groups in the `optimizer` differs from when it was made",
                    expected=f"{len(self.min_lrs)}, one for each min_lr",
                    received=f"{len(groups)}",
                    remedy="Set min_lrs to a list with one for each group.",
                )
            )
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
    index = bisect_right(self._milestones, self.last_epoch)
    scheduler = self._schedulers[index]
    if index > 0 and self._milestones[index - 1] == self.last_epoch:
        scheduler._update_lr(0)  # its first one
    else:
        scheduler.step()
    self._last_lr = scheduler.get_last_lr()


def _now(self: Any) -> Rates:
    """The learning rates of all parameter groups; of a tensor, which will be written to, a copy."""
    rates = [group["lr"] for group in self.optimizer.param_groups]
    return [rate.clone() if isinstance(rate, Tensor) else rate for rate in rates]
