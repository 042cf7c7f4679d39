"""The optimizers take the steps that torch's take: the checks, and what is these optimizers' own."""

from unittest import mock

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from conceptlab.core import registry
from conceptlab.verify import checks, torch_samples
from conceptlab.verify.closeness import check_same
from conceptlab.verify.optimizer_settings import every_term, plain_settings
from conceptlab.verify.steps import (
    check_alike,
    in_double,
    objective,
    pair,
    parameters,
    points,
    random_gradients,
    slopes,
    step_along,
)
from conceptlab.verify.target import tier_of

PARTS = [part for part in registry.parts.values() if part.concept == "optimization"]
TIERS = [pytest.param(p, tier, id=f"{p.name}-{tier}") for p in PARTS for tier in p.tiers if tier != "builtin"]
EACH_PART = pytest.mark.parametrize(("part", "tier"), TIERS)
SLOW = {"trajectory", "network"}
CHECKS = [
    pytest.param(check, id=f"{case.id}-{check}", marks=pytest.mark.slow if str(check) in SLOW else ())
    for case in TIERS
    for check in checks(tier_of(*case.values), like=case.values[0].name)
]


@pytest.fixture(autouse=True)
def _float64():
    with in_double():
        yield


@pytest.mark.parametrize("check", CHECKS)
def test_check(check):
    check()


def both(part, tier, params, kwargs):
    """Our optimizer and torch's, each with parameters of its own."""
    return pair(tier_of(part, tier), params, kwargs)


def give_gradients(optimizer, seed):
    for p, grad in zip(parameters(optimizer), random_gradients(parameters(optimizer), seed), strict=True):
        p.grad = grad


def test_slopes():
    """The gradients of the trajectories' objective, which are written out."""
    points_ = [p.detach() for p in points()]
    check_same(slopes(*points_), torch.func.grad(objective, argnums=(0, 1))(*points_), "slopes", bound=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_trajectories_descend(part):
    """A trajectory that went nowhere would compare nothing."""
    target = tier_of(part, "handmade")
    for setting in plain_settings(target):
        sign = -1 if setting.init_kwargs.get("maximize") else 1
        _, optimizer = pair(target, points, setting.init_kwargs)
        for _ in range(1000):
            at = [p.detach() for p in parameters(optimizer)]
            step_along(target, optimizer, lambda at=at, s=sign: (objective(*at), [s * slope for slope in slopes(*at)]))
        assert objective(*parameters(optimizer)) < objective(*points())


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_pytorch_has_error_inputs(part):
    assert len(list(torch_samples.optimizer_error_samples(part))) >= 7


@EACH_PART
def test_refusals(part, tier):
    ours, _ = both(part, tier, points, {"fused": True})
    give_gradients(ours, 0)
    ours.grad_scale = torch.tensor(1024.0)
    with pytest.raises(NotImplementedError, match="fused=None"):
        ours.step()
    with pytest.raises(ValueError, match="tier"):
        part.tiers["handmade"](points(), tier="handmad")
    if part.name == "SGD":
        return
    ours, theirs = both(part, tier, points, {"capturable": True})
    for optimizer in (ours, theirs):
        give_gradients(optimizer, 0)
        with pytest.raises(AssertionError, match="If capturable=True, params and state_steps must be on supported"):
            optimizer.step()
    with pytest.raises(RuntimeError, match="must contain a list of singleton tensors"):
        ours.ops.adam([], [], [], [], [], [1], amsgrad=False, beta1=0.9, beta2=0.99, lr=1, **NO_DECAY)


NO_DECAY = {"weight_decay": 0.0, "eps": 1e-8, "maximize": False}


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_a_step_that_is_recorded_in_a_cuda_graph(name, tier):
    """Refused in torch's words, since the step count would be that of the recording; taken with capturable=True."""
    make = registry.parts[name].tiers["handmade"]
    with FakeTensorMode():
        p = nn.Parameter(torch.ones(3, device="cuda"))
        p.grad = torch.ones(3, device="cuda")
        with mock.patch("torch.cuda.is_current_stream_capturing", return_value=True):
            with pytest.raises(RuntimeError, match="param_groups' capturable is False"):
                make([p], tier=tier).step()
            make([p], tier=tier, capturable=True).step()
        with mock.patch("torch.cuda.is_current_stream_capturing", return_value=False):
            make([p], tier=tier).step()


@pytest.mark.parametrize(("part", "tier"), [case for case in TIERS if case.values[0].name != "SGD"])
def test_amsgrad_is_differentiable(part, tier):
    """In any number of steps, against finite differences."""

    def three_steps(start, grad, lr):
        p = start.clone()
        optimizer = part.tiers["handmade"]([p], lr=lr, amsgrad=True, differentiable=True, tier=tier)
        for factor in (1, 2, 0.5):
            p.grad = grad * factor
            optimizer.step()
        return p

    generator = torch.Generator().manual_seed(5)
    start, grad = (torch.randn(4, generator=generator, requires_grad=True) for _ in range(2))
    torch.autograd.gradcheck(three_steps, (start, grad, torch.tensor(0.05, requires_grad=True)))


@EACH_PART
def test_functions_alone(part, tier):
    """The functions, called as torch.optim's functional interface is."""
    name = part.name.lower()
    concept = registry.concepts["optimization"]
    ops = part.tiers["handmade"](points(), tier=tier).ops
    results = []
    for function in (getattr(ops, name), concept.builtin(name)):
        params, grads = [p.detach() for p in points()], [p.detach() * 2 for p in points()]
        if name == "sgd":
            states = [[None, torch.ones(2, 5)]]
            numbers = {"momentum": 0.9, "dampening": 0.1, "nesterov": False, "weight_decay": 0.1, "lr": 0.1}
            function(params, grads, *states, **numbers, maximize=True)
        else:
            states = [[torch.ones_like(p) for p in params] for _ in range(3)]
            states.append([torch.tensor(4.0), torch.tensor(7.0)])  # two ages
            numbers = {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1, "lr": 0.1, "eps": 1e-8}
            function(params, grads, *states, **numbers, maximize=True, amsgrad=True)
        results.append((params, grads, states))
    check_same(*results, "functions")


@EACH_PART
def test_change_of_tier(part, tier):
    """A torch optimizer that turns into ours in mid-run goes on as if nothing had happened."""
    ours, theirs = both(part, tier, points, every_term(tier_of(part, tier)).init_kwargs)
    ours.tier = "builtin"
    for seed in range(4):
        if seed == 2:
            ours.tier = tier
        for optimizer in (ours, theirs):
            give_gradients(optimizer, seed)
            optimizer.step()
        check_alike(ours, theirs, f"step {seed + 1}")
