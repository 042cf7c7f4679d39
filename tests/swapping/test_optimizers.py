"""Swapping optimizers: state, groups, hooks and schedulers stay, in either order."""

import copy
import types

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

import conceptlab as cl


class Marked(torch.optim.SGD):
    """Marks the parameters, so that it is seen to have run."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.fill_(7.0)


class WithConstructor(torch.optim.Optimizer):
    """torch's arguments, and one more; no relation to torch's class."""

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
        extra=3,
    ):
        self.own = "set by the constructor"
        super().__init__(params, {"lr": lr, "momentum": momentum, "extra": extra})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.fill_(group["extra"])


class OtherArguments(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})


@pytest.fixture
def problem():
    torch.manual_seed(0)
    model = nn.Linear(3, 1).double()
    x = torch.randn(8, 3, dtype=torch.float64)

    def backward():
        model.zero_grad()
        model(x).square().sum().backward()

    return model, backward


def run(problem, optimizer, steps=3, scheduler=None):
    model, backward = problem
    for _ in range(steps):
        backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_in_the_middle_of_training(problem, name, tier):
    twin = copy.deepcopy(problem[0])
    optimizer = getattr(torch.optim, name)(problem[0].parameters(), lr=0.01)
    expected_optimizer = getattr(torch.optim, name)(twin.parameters(), lr=0.01)
    x = torch.randn(8, 3, dtype=torch.float64)
    for step in range(6):
        if step == 3:
            report = cl.swap(optimizer, tier)
            assert optimizer.tier == tier
        for model, o in ((problem[0], optimizer), (twin, expected_optimizer)):
            model.zero_grad()
            model(x).square().sum().backward()
            o.step()
    for p, q in zip(problem[0].parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=0)
    report.undo()
    assert type(optimizer) is getattr(torch.optim, name)
    assert optimizer.state_dict()["param_groups"] == expected_optimizer.state_dict()["param_groups"]


def test_back_to_builtin_and_copies(problem):
    optimizer = torch.optim.SGD(problem[0].parameters(), lr=0.01)
    cl.swap(optimizer, "handmade")
    copied = copy.deepcopy(optimizer)
    assert copied.tier == "handmade"
    cl.swap(optimizer, "builtin")
    assert type(optimizer) is torch.optim.SGD
    assert cl.swap(optimizer, "builtin").unchanged == 1


@pytest.mark.parametrize("order", ["swap first", "scheduler first"])
@pytest.mark.parametrize("part", [Marked, WithConstructor])
def test_scheduler_before_and_after(problem, order, part):
    optimizer = torch.optim.SGD(problem[0].parameters(), lr=0.1)
    if order == "swap first":
        report = cl.swap(optimizer, {"SGD": part})
        scheduler = StepLR(optimizer, 1)
    else:
        scheduler = StepLR(optimizer, 1)
        report = cl.swap(optimizer, {"SGD": part})
    marked = run(problem, optimizer, 1, scheduler)  # a scheduler that does not see the step warns, and that is an error
    assert {p.unique().item() for p in marked} == {7.0 if part is Marked else 3.0}
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    report.undo()
    assert type(optimizer) is torch.optim.SGD
    after = run(problem, optimizer, 1, scheduler)
    assert not any(torch.equal(p, q) for p, q in zip(marked, after, strict=True))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.001)


def test_second_scheduler_after_the_swap(problem):
    optimizer = torch.optim.SGD(problem[0].parameters(), lr=0.1)
    StepLR(optimizer, 1)
    cl.swap(optimizer, {"SGD": Marked})
    ReduceLROnPlateau(optimizer)
    scheduler = StepLR(optimizer, 1)
    assert {p.unique().item() for p in run(problem, optimizer, 1, scheduler)} == {7.0}


# torch's own, in 2.11: a profile that has no schedule is told of what a schedule would do
@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events:UserWarning")
def test_hooks_of_the_step_stay(problem):
    heard = []
    optimizer = torch.optim.SGD(problem[0].parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: heard.append("pre"))
    report = cl.swap(optimizer, {"SGD": Marked})
    optimizer.register_step_post_hook(lambda *_: heard.append("post"))
    run(problem, optimizer, 1)
    assert heard == ["pre", "post"]
    assert "Marked" in optimizer._zero_grad_profile_name
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert "Optimizer.step#Marked.step" in {event.key for event in profile.key_averages()}
    report.undo()
    run(problem, optimizer, 1)
    assert heard == ["pre", "post"] * 3


def test_built_class_brings_its_attributes_and_leaves_them(problem):
    optimizer = torch.optim.SGD(problem[0].parameters(), lr=0.1, momentum=0.9)
    run(problem, optimizer, 1)
    group, before = optimizer.param_groups[0], dict(optimizer.defaults)
    keys, state = set(group), dict(optimizer.state)
    report = cl.swap(optimizer, {"SGD": WithConstructor})
    assert optimizer.param_groups[0] is group
    assert optimizer.own == "set by the constructor"
    assert group["momentum"] == 0.9
    assert group["extra"] == 3
    assert dict(optimizer.state) == state
    report.undo()
    assert set(group) == keys
    assert optimizer.defaults == before
    assert "own" not in vars(optimizer)
    with pytest.raises(TypeError, match=r"constructor of torch\.optim\.SGD"):
        cl.swap(optimizer, {"SGD": OtherArguments})


def test_left_alone(problem):
    optimizer = Marked(problem[0].parameters(), lr=0.1)
    assert "Marked subclasses SGD" in str(cl.swap(optimizer, "handmade"))
    optimizer = torch.optim.SGD(problem[0].parameters(), lr=0.1)
    optimizer.step = types.MethodType(lambda self: None, optimizer)
    assert "replaced on the object" in str(cl.swap(optimizer, "handmade"))
    with pytest.raises(ValueError, match="replaced on the object"):
        cl.swap(optimizer, "handmade", strict=True)


def test_setting_that_does_not_speak_of_it(problem):
    optimizer = torch.optim.Adadelta(problem[0].parameters())
    assert "Nothing to swap" in str(cl.swap(optimizer, "handmade"))
    with pytest.raises(ValueError, match="matched nothing"):
        cl.swap(optimizer, {"relu": "handmade"}, strict=True)
