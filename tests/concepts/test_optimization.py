"""The optimizers take the steps that torch's take: the checks, and what is these optimizers' own."""

from unittest import mock

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from conceptlab.core import registry
from conceptlab.core.namespace import all_tiers
from conceptlab.verify import torch_samples
from conceptlab.verify.closeness import check_same
from conceptlab.verify.optimizer_settings import every_term, plain_settings
from conceptlab.verify.steps import (
    argument_names,
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
from tests.cases import cases

PARTS = [part for part in registry.parts.values() if part.concept == "optimization"]
TIERS = [pytest.param(p, tier, id=f"{p.name}-{tier}") for p in PARTS for tier in p.tiers if tier != "builtin"]
EACH_PART = pytest.mark.parametrize(("part", "tier"), TIERS)
CHECKS = [case for part in PARTS for case in cases(part, quick={"state_exchanged", "half_precision"})]


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
            uphill = [sign * slope for slope in slopes(*at)]
            step_along(target, optimizer, lambda at=at, uphill=uphill: (lambda: objective(*at), uphill))
        assert objective(*parameters(optimizer)) < objective(*points())


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_pytorch_has_error_inputs(part):
    assert len(list(torch_samples.optimizer_error_samples(part))) >= 7


@EACH_PART
def test_refusals(part, tier):
    with pytest.raises(ValueError, match="tier"):
        part.tiers["handmade"](points(), tier="handmad")
    if "fused" in argument_names(part.torch):
        ours, _ = both(part, tier, points, {"fused": True})
        give_gradients(ours, 0)
        ours.grad_scale = torch.tensor(1024.0)
        with pytest.raises(NotImplementedError, match="fused=None"):
            ours.step()
    if "capturable" in argument_names(part.torch):
        ours, theirs = both(part, tier, points, {"capturable": True})
        for optimizer in (ours, theirs):
            give_gradients(optimizer, 0)
            with pytest.raises(AssertionError, match=r"If capturable=True, params.* must be on supported devices"):
                optimizer.step()


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["adam", "adamw", "nadam", "rmsprop"])
def test_what_is_counted_elsewhere_cannot_be_recorded(name, tier):
    ours, theirs = getattr(all_tiers("optim")[tier], name), registry.concepts["optimization"].builtin(name)
    n = len(COUNTS[name][0])
    with FakeTensorMode(), torch.no_grad():
        columns = [[torch.ones(2, device="cuda")] for _ in STATE[name]]
        counts = [[torch.zeros((), device="cuda")] for _ in range(n)]
        ours(*columns, *counts, **NUMBERS[name], capturable=True)
        for place in range(n):
            elsewhere = [*counts[:place], [torch.zeros(())], *counts[place + 1 :]]
            for function in (ours, theirs):
                with pytest.raises(AssertionError, match=r"If capturable=True, params.* must be on supported devices"):
                    function(*columns, *elsewhere, **NUMBERS[name], capturable=True)


@EACH_PART
def test_a_count_that_is_no_tensor(part, tier):
    name = part.name.lower()
    if name == "sgd":
        pytest.skip("it counts nothing")
    ours, theirs = getattr(all_tiers("optim")[tier], name), registry.concepts["optimization"].builtin(name)
    for counts in COUNTS[name]:
        for function in (ours, theirs):
            with pytest.raises(RuntimeError, match="must contain a list of singleton tensors"):
                function(*STATE[name], *counts, **NUMBERS[name])


COUNTS = {name: [([1],)] for name in ("adam", "adamw", "rmsprop", "adagrad")} | {"nadam": [([1], []), ([], [1])]}
STATE = {"adam": [[]] * 5, "adamw": [[]] * 5, "rmsprop": [[]] * 5, "adagrad": [[]] * 3, "nadam": [[]] * 4}
_ADAM = {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1, "lr": 0.1, "eps": 1e-8, "maximize": True}
NUMBERS = {
    "adam": _ADAM | {"amsgrad": True},
    "adamw": _ADAM | {"amsgrad": True},
    "rmsprop": {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.1, "momentum": 0.9, "centered": True},
    "adagrad": {"lr": 0.1, "lr_decay": 0.1, "eps": 1e-8, "weight_decay": 0.1, "maximize": True},
    "nadam": _ADAM | {"momentum_decay": 0.1},
}


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RMSprop"])
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


@pytest.mark.parametrize(("part", "tier"), [case for case in TIERS if case.values[0].name in ("Adam", "AdamW")])
def test_amsgrad_is_differentiable(part, tier):
    """In any number of steps, by the betas, too, against finite differences."""

    def three_steps(start, grad, lr, *betas):
        p = start.clone()
        optimizer = part.tiers["handmade"]([p], lr=lr, betas=betas, amsgrad=True, differentiable=True, tier=tier)
        for factor in (1, 2, 0.5):
            p.grad = grad * factor
            optimizer.step()
        return p

    generator = torch.Generator().manual_seed(5)
    start, grad = (torch.randn(4, generator=generator, requires_grad=True) for _ in range(2))
    lr, *betas = (torch.tensor(number, requires_grad=True) for number in (0.05, 0.8, 0.9))
    torch.autograd.gradcheck(three_steps, (start, grad, lr, *betas))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128, torch.bfloat16])
@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_adagrad_of_gradients_that_are_sparse_in_two_axes(tier, dtype):
    """Entries of one place add up, one that is in float32 rounded once; torch squares complex numbers, here."""
    part = registry.parts["Adagrad"]
    setting = {"lr": 0.1, "lr_decay": 0.5, "initial_accumulator_value": 0.1}
    ours, theirs = both(part, tier, lambda: [nn.Parameter(torch.ones(3, 4, 2, dtype=dtype))], setting)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        places = torch.tensor([[0, 2, 0, 1][: seed + 2], [3, 1, 3, 0][: seed + 2]])
        values = torch.randn(seed + 2, 2, generator=generator).to(dtype)
        for optimizer in (ours, theirs):
            (p,) = parameters(optimizer)
            p.grad = torch.sparse_coo_tensor(places, values, (3, 4, 2))
            optimizer.step()
        check_same(
            parameters(ours)[0].detach(),
            parameters(theirs)[0].detach(),
            f"step {seed + 1}",
            bound=1e-2 if dtype == torch.bfloat16 else 1e-9,
        )


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
