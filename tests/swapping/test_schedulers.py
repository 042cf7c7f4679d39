"""Swapping learning-rate schedulers: in mid-run, those inside of others, and classes of one's own."""

import pytest
import torch
from torch.optim import lr_scheduler

import conceptlab as cl


class Constant(lr_scheduler.StepLR):
    """torch's constructor."""

    def get_lr(self):
        return [0.5 for _ in self.base_lrs]


class WithConstructor(lr_scheduler.LRScheduler):
    """torch's arguments, and one more; no relation to torch's class."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1, extra=3):
        self.step_size, self.gamma, self.extra = step_size, gamma, extra
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [float(self.extra) for _ in self.base_lrs]


class OtherArguments(lr_scheduler.LRScheduler):
    def __init__(self, optimizer):
        super().__init__(optimizer)


class Waves(lr_scheduler.LRScheduler):
    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        super().__init__(optimizer, last_epoch)


def made(make):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    return optimizer, make(optimizer)


def step(optimizer, scheduler):
    optimizer.step()
    scheduler.step()
    return scheduler.get_last_lr()[0]


def in_turn(optimizer):
    first = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
    second = lr_scheduler.ChainedScheduler(
        [lr_scheduler.StepLR(optimizer, 2), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    )
    return lr_scheduler.SequentialLR(optimizer, [first, second._schedulers[1]], milestones=[4])


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_in_mid_run_with_those_inside(tier):
    ours, theirs = made(in_turn), made(in_turn)
    for number in range(10):
        if number == 2:
            report = cl.swap(ours[1], tier)
            assert {entry.name for entry in report.swapped} == {"SequentialLR", "SequentialLR.0", "SequentialLR.1"}
            assert [s.tier for s in (ours[1], *ours[1]._schedulers)] == [tier] * 3
            assert cl.swap(ours[1], tier).unchanged == 3
        assert step(*ours) == pytest.approx(step(*theirs), rel=1e-12)
    assert ours[1].state_dict().keys() == theirs[1].state_dict().keys()
    report.undo()
    assert type(ours[1]._schedulers[0]) is lr_scheduler.LinearLR
    assert step(*ours) == pytest.approx(step(*theirs), rel=1e-12)


def test_those_of_a_scheduler_that_is_no_part():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    chained = lr_scheduler.ChainedScheduler(
        [lr_scheduler.StepLR(optimizer, 2), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    )
    report = cl.swap(chained, {"default": "handmade", "StepLR": "builtin"})
    assert type(chained) is lr_scheduler.ChainedScheduler
    assert chained._schedulers[1].tier == "handmade"
    assert report.unchanged == 1


@pytest.mark.parametrize(("cls", "rate", "way"), [(Constant, 0.5, "class"), (WithConstructor, 3.0, "its constructor")])
def test_a_class_of_ones_own(cls, rate, way):
    optimizer, scheduler = made(lambda o: lr_scheduler.StepLR(o, 1))
    kept = set(vars(scheduler))
    report = cl.swap(scheduler, {"StepLR": cls})
    assert way in report.swapped[0].way
    assert step(optimizer, scheduler) == rate
    assert scheduler.last_epoch == 1
    report.undo()
    assert type(scheduler) is lr_scheduler.StepLR
    assert set(vars(scheduler)) == kept
    assert step(optimizer, scheduler) == pytest.approx(rate / 10)


def test_left_alone():
    _, own = made(lambda o: Constant(o, 1))
    assert "Constant subclasses StepLR" in str(cl.swap(own, "handmade"))
    _, scheduler = made(lambda o: lr_scheduler.StepLR(o, 1))
    assert "has not the constructor of torch.optim.lr_scheduler.StepLR" in str(
        cl.swap(scheduler, {"StepLR": OtherArguments})
    )
    _, scheduler = made(lambda o: lr_scheduler.LambdaLR(o, lambda t: 1.0))
    assert "LambdaLR does not keep lr_lambda" in str(cl.swap(scheduler, {"LambdaLR": Waves}))
    with pytest.raises(TypeError, match="LRScheduler"):
        cl.swap(scheduler, {"LambdaLR": torch.optim.SGD})
    with pytest.raises(ValueError, match="matched nothing"):
        cl.swap(scheduler, {"StepLR": "handmade"}, strict=True)
