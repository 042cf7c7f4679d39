"""Schedulers: a hundred steps on an optimizer of two groups, beside torch's."""

import copy
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer, lr_scheduler

from conceptlab.core import Tiered
from conceptlab.core.samples import Sample
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.scheduler_settings import REFUSED, SETTINGS
from conceptlab.verify.steps import argument_names
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target

STEPS = 100
CLOSE = 1e-12
"""By how much a number may differ, relative to itself: recursions add up their rounding."""

Pair = tuple[tuple[Any, Any], tuple[Any, Any]]
"""The target's scheduler and its optimizer, and torch's."""


def schedule(target: Target) -> Tally:
    """A hundred steps: learning rates, momentum, what ``get_last_lr`` says, and the number of the step."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        for step in range(STEPS):
            check_alike(ours, theirs, f"step {step}")
            for scheduler, optimizer in (ours, theirs):
                take_step(scheduler, optimizer, step)

    return each(settings_of(target), compare)


def state(target: Target) -> Tally:
    """``state_dict`` has torch's names, in torch's order, and torch's values."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        for step in range(60):
            for scheduler, optimizer in (ours, theirs):
                take_step(scheduler, optimizer, step)
        received, expected = ours[0].state_dict(), theirs[0].state_dict()
        if target.tier is None:
            # somebody's own may keep more
            received = {name: received.get(name, "nothing") for name in expected}
        check_values(received, expected, "state_dict")

    return each(settings_of(target), compare)


def state_exchanged(target: Target) -> Tally:
    """A run that changes hands twice, to torch and back, by way of ``state_dict``, is the run that stayed."""

    def compare(sample: Sample) -> None:
        active, other = pair(target, sample)
        _, stays = pair(target, sample)
        for step in range(STEPS):
            if step in (20, 60):
                for to, of in zip(other, active, strict=True):
                    to.load_state_dict(pickle.loads(pickle.dumps(of.state_dict())))
                other, active = active, other
            for scheduler, optimizer in (active, stays):
                take_step(scheduler, optimizer, step)
            check_alike(active, stays, f"step {step + 1}")

    return each(settings_of(target), compare)


def resumed(target: Target) -> Tally:
    """A scheduler that is made in mid-run, with ``last_epoch``, goes on from there."""

    def compare(sample: Sample) -> None:
        if "last_epoch" not in argument_names(target.builtin) or "schedulers" in sample.init_kwargs:
            raise NotApplicable("torch's own begins anew")
        _, (before, optimizer) = pair(target, sample)
        for step in range(13):
            take_step(before, optimizer, step)
        later = Sample(sample.name, kwargs=sample.kwargs, init_kwargs={**sample.init_kwargs, "last_epoch": 12})
        ours, theirs = pair(target, later, groups=optimizer.state_dict()["param_groups"])
        for step in range(13, 40):
            check_alike(ours, theirs, f"step {step}")
            for scheduler, own in (ours, theirs):
                take_step(scheduler, own, step)

    return each(settings_of(target), compare)


def closed_form(target: Target) -> Tally:
    """``step(epoch)``, which is deprecated and has a use inside of SequentialLR, goes to any step."""

    def compare(sample: Sample) -> None:
        if "schedulers" in sample.init_kwargs:
            raise NotApplicable("torch's own takes no step to an epoch")
        ours, theirs = pair(target, sample)
        for epoch in (0, 5, 6, 40, 17, 18):
            for scheduler, optimizer in (ours, theirs):
                optimizer.step()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    scheduler.step(*([1.0] if needs_metrics(scheduler) else []), epoch)
            check_alike(ours, theirs, f"epoch {epoch}")

    return each(settings_of(target), compare)


def in_a_sequence(target: Target) -> Tally:
    """After another scheduler, in torch's SequentialLR."""

    def compare(sample: Sample) -> None:
        if needs_metrics(target.builtin) or "schedulers" in sample.init_kwargs:
            raise NotApplicable("no scheduler for a sequence")

        made = []
        for scheduler_class, extra in ((target.implementation, tier_of(target)), (target.builtin, {})):
            optimizer = optimizer_for(sample)
            first = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=8)
            second = scheduler_class(optimizer=optimizer, **sample.init_kwargs, **extra)
            made.append((lr_scheduler.SequentialLR(optimizer, [first, second], [10]), optimizer))
        for step in range(STEPS):
            for scheduler, optimizer in made:
                take_step(scheduler, optimizer, step)
            check_alike(made[0], made[1], f"step {step + 1}")

    return each(settings_of(target), compare)


def changed_in_between(target: Target) -> Tally:
    """Learning rates that somebody changes in mid-run, and a second scheduler of the same optimizer."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        others = [lr_scheduler.StepLR(optimizer, 4, gamma=0.9) for _, optimizer in (ours, theirs)]
        for step in range(40):
            for (scheduler, optimizer), other in zip((ours, theirs), others, strict=True):
                if step == 10:
                    optimizer.param_groups[1]["lr"] *= 0.5
                take_step(scheduler, optimizer, step)
                other.step()
            check_alike(ours, theirs, f"step {step + 1}", last=False)

    return each(settings_of(target), compare)


def group_added(target: Target) -> Tally:
    """A parameter group that is added in mid-run: taken along, or refused as torch does."""

    def outcome(scheduler: Any, optimizer: Any) -> list[Any]:
        found: list[Any] = []
        for step in range(30):
            if step == 10:
                optimizer.add_param_group({"params": [Parameter(torch.ones(2))], "lr": 0.2})
            try:
                take_step(scheduler, optimizer, step)
            except Exception as error:
                return [*found, type(error).__name__]
            found.append(numbers(scheduler, optimizer, last=True))
        return found

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        check_values(outcome(*ours), outcome(*theirs), "with a third group")

    return each(settings_of(target), compare)


def asked_by_hand(target: Target) -> Tally:
    """``get_lr`` outside of a step gives torch's numbers, though they are nobody's learning rates."""

    def compare(sample: Sample) -> None:
        if needs_metrics(target.builtin) or "schedulers" in sample.init_kwargs:
            raise NotApplicable("torch's own has no get_lr")
        for last_epoch in (-1, 0, 12):
            _, (before, optimizer) = pair(target, sample)
            for step in range(last_epoch + 1):
                take_step(before, optimizer, step)
            later = Sample(
                sample.name, kwargs=sample.kwargs, init_kwargs={**sample.init_kwargs, "last_epoch": last_epoch}
            )
            ours, theirs = pair(target, later, groups=optimizer.state_dict()["param_groups"])
            for step in range(3):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    check_values(ours[0].get_lr(), theirs[0].get_lr(), f"from {last_epoch}, step {step}")
                for scheduler, own in (ours, theirs):
                    take_step(scheduler, own, step)

    return each(settings_of(target), compare)


def tensor_rates(target: Target) -> Tally:
    """Learning rates that are tensors are written to, and never given away."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample, tensors=True)
        held = [group["lr"] for group in ours[1].param_groups]
        given = ours[0].get_last_lr()
        for step in range(20):
            for scheduler, optimizer in (ours, theirs):
                take_step(scheduler, optimizer, step)
            check_alike(ours, theirs, f"step {step + 1}")
        for group, rate in zip(ours[1].param_groups, held, strict=True):
            if group["lr"] is not rate:
                raise Mismatch("expected the tensor to be written to, received another one")
        if any(a is b for a in (*given, *ours[0].get_last_lr()) for b in held):
            raise Mismatch("get_last_lr: expected copies, received the optimizer's own tensors")

    return each(settings_of(target), compare)


def copied(target: Target) -> Tally:
    """``deepcopy`` and ``pickle``, together with the optimizer, give a scheduler that goes on."""

    def compare(sample: Sample) -> None:
        for way in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
            ours, theirs = pair(target, sample)
            for step in range(30):
                if step == 15:
                    ours = way(ours)
                    if target.tier is not None and ours[0].tier != target.tier:
                        raise Mismatch(f"expected a copy of the tier {target.tier}, received {ours[0].tier}")
                for scheduler, optimizer in (ours, theirs):
                    take_step(scheduler, optimizer, step)
                check_alike(ours, theirs, f"step {step + 1}")

    return each(settings_of(target), compare)


def warned(target: Target) -> Tally:
    """What torch warns of: a step before the optimizer's, a step to an epoch, and, of our own, ``get_lr`` by hand."""

    def said(scheduler: Any, optimizer: Optimizer) -> list[str]:
        metrics = [1.0] if needs_metrics(scheduler) else []
        calls: list[Callable[[], Any]] = [lambda: scheduler.step(*metrics), optimizer.step]
        if not hasattr(scheduler, "_schedulers"):
            calls.append(lambda: scheduler.step(*metrics, 3))
        if target.tier is not None and not metrics and not hasattr(scheduler, "_schedulers"):
            calls.append(scheduler.get_lr)
        found = []
        for call in calls:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                call()
            found.append("; ".join(sorted({f"{w.category.__name__}: {str(w.message)[:60]}" for w in heard})))
        return found

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        check_values(said(*ours), said(*theirs), "warnings")

    return each(settings_of(target), compare)


def refused(target: Target) -> Tally:
    """What torch refuses, in the constructor or in one of the steps, is refused, with torch's type of exception."""

    def outcome(scheduler_class: type, sample: Sample, extra: Mapping[str, Any]) -> str:
        optimizer = optimizer_for(sample)
        given: dict[str, Any] = {"optimizer": optimizer, **sample.init_kwargs}
        for name in ("optimizer", "schedulers"):
            if callable(given.get(name)):
                given[name] = given[name](optimizer)
        try:
            scheduler = scheduler_class(**given, **extra)
            for step in range(STEPS):
                take_step(scheduler, optimizer, step)
        except Exception as error:
            return type(error).__name__
        return "nothing"

    def compare(sample: Sample) -> None:
        expected = outcome(target.builtin, sample, {})
        if expected == "nothing":
            raise NotApplicable("torch takes it")
        check_values(outcome(target.implementation, sample, tier_of(target)), expected, "exception")

    settings = REFUSED.get(target.part.name, ())
    return each((Sample(f"refused-{n}", init_kwargs=setting) for n, setting in enumerate(settings)), compare)


CHECKS = (
    schedule,
    state,
    state_exchanged,
    resumed,
    closed_form,
    in_a_sequence,
    changed_in_between,
    group_added,
    asked_by_hand,
    tensor_rates,
    copied,
    warned,
    refused,
)
"""The telling ones first."""


def settings_of(target: Target) -> Iterator[Sample]:
    """Each setting, with momentum of its own and, for the first one, with Adam's."""
    for number, setting in enumerate(SETTINGS.get(target.part.name, ())):
        yield Sample(f"setting-{number}", init_kwargs=setting)
        if number == 0:
            yield Sample("setting-0-adam", kwargs={"adam": True}, init_kwargs=setting)


def optimizer_for(sample: Sample, *, tensors: bool = False) -> Any:
    """An optimizer of two groups."""
    rates = [torch.tensor(rate, dtype=torch.float64) if tensors else rate for rate in (0.1, 0.003)]
    groups: list[dict[str, Any]] = [{"params": [Parameter(torch.ones(2))], "lr": rate} for rate in rates]
    if sample.kwargs.get("adam"):
        return torch.optim.Adam(groups)
    groups[1]["momentum"] = 0.5
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def tier_of(target: Target) -> dict[str, Any]:
    """The constructor's argument that chooses the tier."""
    return {"tier": target.tier} if issubclass(target.implementation, Tiered) and target.tier else {}


def pair(target: Target, sample: Sample, *, groups: Any = None, tensors: bool = False) -> Pair:
    """The target's scheduler and torch's, each with an optimizer of its own, which may have ``groups`` of another."""

    def made(scheduler_class: type, extra: Mapping[str, Any]) -> tuple[Any, Any]:
        optimizer = optimizer_for(sample, tensors=tensors)
        if groups is not None:
            optimizer.load_state_dict({"state": {}, "param_groups": copy.deepcopy(groups)})
        given = dict(sample.init_kwargs)
        if "schedulers" in given:
            given["schedulers"] = given["schedulers"](optimizer)
        return scheduler_class(optimizer=optimizer, **given, **extra), optimizer

    theirs = of_torch(lambda: made(target.builtin, {}))
    return made(target.implementation, tier_of(target)), theirs


def needs_metrics(scheduler: Any) -> bool:
    """Whether a step asks for a metric."""
    cls = scheduler if isinstance(scheduler, type) else type(scheduler)
    return issubclass(cls, lr_scheduler.ReduceLROnPlateau) or "Plateau" in cls.__name__


def take_step(scheduler: Any, optimizer: Optimizer, step: int) -> None:
    """The optimizer's step, without gradients, and the scheduler's, with a metric that goes up and down."""
    optimizer.step()
    if not needs_metrics(scheduler):
        scheduler.step()
        return
    metric = 2 + step % 7 // 2 / 2 + (0.0, 0.3, -0.3, 0.6)[step // 25]
    scheduler.step(torch.tensor(metric, dtype=torch.float64) if step % 2 else metric)


def check_alike(ours: tuple[Any, Any], theirs: tuple[Any, Any], where: str, *, last: bool = True) -> None:
    """Check what a step has set."""
    check_values(numbers(*ours, last=last), numbers(*theirs, last=last), where)


def numbers(scheduler: Any, optimizer: Any, *, last: bool) -> dict[str, Any]:
    """What a step sets, by name."""
    found: dict[str, Any] = {"last_epoch": scheduler.last_epoch} if hasattr(scheduler, "last_epoch") else {}
    for number, group in enumerate(optimizer.param_groups):
        found |= {f"learning rate of group {number}": group["lr"]}
        found |= {f"{name} of group {number}": group[name] for name in ("momentum", "betas") if name in group}
    return found | ({"get_last_lr": list(scheduler.get_last_lr())} if last else {})


def check_values(received: Any, expected: Any, where: str) -> None:
    """Check plain values: numbers within `CLOSE`, everything else equal.

    Raises:
        Mismatch: they differ.
    """
    if isinstance(expected, Mapping):
        check_names(list(received), list(expected), where)
        for name, value in expected.items():
            check_values(received[name], value, f"{where}: {name}")
    elif isinstance(expected, list | tuple) and isinstance(received, list | tuple):
        check_names(len(received), len(expected), f"{where}, how many")
        for a, b in zip(received, expected, strict=True):
            check_values(a, b, where)
    elif isinstance(expected, float | torch.Tensor) and isinstance(received, int | float | torch.Tensor):
        check_names(isinstance(received, torch.Tensor), isinstance(expected, torch.Tensor), f"{where}, a tensor")
        if not math.isclose(float(received), float(expected), rel_tol=CLOSE, abs_tol=1e-16):
            check_names(float(received), float(expected), where)
    elif callable(expected):
        check_names(getattr(received, "__name__", received), getattr(expected, "__name__", expected), where)
    else:
        check_names(received, expected, where)


def check_names(received: Any, expected: Any, where: str) -> None:
    """Check that two values are equal.

    Raises:
        Mismatch: they differ.
    """
    if received != expected:
        raise Mismatch(f"{where}: expected {expected!r}, received {received!r}")
