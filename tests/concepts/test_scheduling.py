"""The schedulers set what torch's set: the checks, and what is these schedulers' own."""

import pytest
import torch

from conceptlab.core import registry
from conceptlab.optim import lr_scheduler
from conceptlab.verify import checks
from conceptlab.verify.target import Target

# of builtin, the classes that call torch's functions
CHECKS = [
    pytest.param(check, id=f"{part.name}-{tier}-{check}")
    for part in registry.parts.values()
    if part.concept == "scheduling"
    for tier in part.tiers
    for check in checks(Target(part, part.tiers["handmade"], tier), like=part.name)
]


@pytest.mark.parametrize("check", CHECKS)
def test_check(check):
    check()


@pytest.fixture
def optimizer():
    return torch.optim.SGD([torch.zeros(1)], lr=0.1)


def step(optimizer, scheduler):
    optimizer.step()
    scheduler.step()


FORMULAS = {
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [2, 3]},
    "ExponentialLR": {"gamma": 0.9},
    "LinearLR": {"total_iters": 4},
    "CosineAnnealingLR": {"T_max": 5},
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_refuses_a_learning_rate_that_was_changed(optimizer, name):
    scheduler = getattr(lr_scheduler, name)(optimizer, **FORMULAS[name], tier="naive")
    step(optimizer, scheduler)
    optimizer.param_groups[0]["lr"] *= 0.9
    with pytest.raises(NotImplementedError, match="The tier 'handmade' goes on from there"):
        step(optimizer, scheduler)


def test_a_formula_refuses_a_group_that_was_added(optimizer):
    scheduler = lr_scheduler.StepLR(optimizer, 2, tier="naive")
    optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.3})
    with pytest.raises(NotImplementedError, match="something else has changed"):
        step(optimizer, scheduler)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_plateau_of_groups_that_were_added(optimizer, tier):
    """One lower bound is for all; of several, one is missing."""
    one = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.01, tier=tier)
    several = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.01], tier=tier)
    optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.02})
    for scheduler in (one, several):
        scheduler.step(1.0)
    one.step(2.0)
    assert one.min_lrs == [0.01, 0.01]
    assert one.get_last_lr() == pytest.approx([0.01, 0.01])
    with pytest.raises(RuntimeError, match="The number of param groups in the `optimizer`"):
        several.step(2.0)


def test_a_tier_can_be_chosen_later(optimizer):
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for tier in ("handmade", "naive", "builtin"):
        scheduler.tier = tier
        step(optimizer, scheduler)
    assert scheduler.get_last_lr() == pytest.approx([0.0125])
    with pytest.raises(ValueError, match="Did you mean 'naive'"):
        lr_scheduler.ExponentialLR(optimizer, 0.5, tier="nave")
