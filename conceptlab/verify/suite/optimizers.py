"""Optimizers: the steps they take, in every setting."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer

from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import reseed
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.optimizer_settings import every_term, plain_settings, settings_of
from conceptlab.verify.steps import (
    Evaluated,
    advance,
    built,
    check_alike,
    in_double,
    kinds_for,
    objective,
    only_known,
    pair,
    parameters,
    points,
    random_gradients,
    slopes,
    step_along,
    taken,
    wind,
)
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target


@in_double()
def settings(target: Target) -> Tally:
    """Three steps in each of PyTorch's settings, of parameters of all kinds, some at times without a gradient."""
    takes_all = len(taken(target, kinds_for(target))) == len(kinds_for(target))

    def compare(sample: Sample) -> None:
        fused = sample.init_kwargs.get("fused")

        def params() -> list[Parameter]:
            # torch's fused kernels refuse complex numbers, and take a tensor with gaps for one without
            found = kinds_for(target)[:-2] if fused else kinds_for(target)
            return found if takes_all or fused else taken(target, found)

        optimizers = pair(target, params, sample.init_kwargs)
        for optimizer in optimizers:
            for p in parameters(optimizer):
                # a leaf that requires a gradient cannot be written to
                p.requires_grad_(not sample.init_kwargs.get("differentiable"))
        for seed in range(3):
            # nor can torch's fused SGD go on from buffers for some parameters only
            skip = {0: (0,), 2: (1, 3)}.get(seed, ()) if not fused else ()
            of_torch(lambda seed=seed, skip=skip: advance(target, optimizers[1], seed, skip))
            advance(target, optimizers[0], seed, skip)
            check_alike(*optimizers, f"step {seed + 1}")

    return each(settings_of(target), compare)


@in_double()
def trajectory(target: Target) -> Tally:
    """A thousand steps on smooth problems, a quadratic and Rosenbrock's valley, in a wind, stay within the bound."""
    # a step that calls a closure is twenty of others
    steps = 50 if torch_samples.optimizer_needs(target.part).closure else 1000

    def compare(sample: Sample) -> None:
        sign = -1 if sample.init_kwargs.get("maximize") else 1
        optimizers = pair(target, points, sample.init_kwargs)
        for step in range(steps):
            for optimizer in optimizers:
                at = [p.detach() for p in parameters(optimizer)]
                step_along(target, optimizer, partial(_in_the_wind, at, step, sign))
            if (step + 1) % (steps // 10) == 0:
                check_alike(*optimizers, f"step {step + 1}", names=False)

    return each(plain_settings(target), compare)


def _in_the_wind(at: list[Tensor], step: int, sign: int) -> Evaluated:
    """The smooth problems, to be descended or, with -1 as ``sign``, to be climbed upside down."""
    winds = [wind(x, step) for x in at]

    def loss() -> Tensor:
        return sign * (objective(*at) + sum((x * w).sum() for x, w in zip(at, winds, strict=True)))

    return loss, [sign * (slope + w) for slope, w in zip(slopes(*at), winds, strict=True)]


@in_double()
def network(target: Target) -> Tally:
    """A hundred steps of a small network, which has kinks, stay within the bound."""

    def compare(sample: Sample) -> None:
        generator = torch.Generator().manual_seed(1)
        x, y = (torch.randn(32, size, generator=generator).to(target.device) for size in (5, 2))
        nets = []
        for _ in range(2):
            reseed(2)
            net = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 2))
            nets.append(net.to(target.device))
        make = iter(nets[::-1])
        setting = {**sample.init_kwargs, "lr": 0.01}
        optimizers = pair(target, lambda: taken(target, next(make).parameters()), setting)
        for step in range(100):
            for net, optimizer in zip(nets, optimizers, strict=True):

                def evaluate(net: nn.Module = net, optimizer: Optimizer = optimizer) -> Evaluated:
                    with torch.enable_grad():
                        loss = ((net(x) - y) ** 2).mean()
                    return loss.detach, torch.autograd.grad(loss, parameters(optimizer))

                step_along(target, optimizer, evaluate)
            check_alike(*optimizers, f"step {step + 1}", names=False)

    return each([every_term(target)], compare)


@in_double()
def groups_and_schedule(target: Target) -> Tally:
    """Each group has its own settings, a group can be added, and a scheduler changes the learning rate."""

    def compare(sample: Sample) -> None:
        optimizers = pair(target, lambda: [{"params": points(), "lr": 0.3}, {"params": points()}], sample.init_kwargs)
        schedulers = [torch.optim.lr_scheduler.StepLR(o, step_size=2, gamma=0.1) for o in optimizers]
        for seed in range(6):
            for optimizer, scheduler in list(zip(optimizers, schedulers, strict=True))[::-1]:  # torch's first
                if seed == 3:
                    own = only_known(target, {"weight_decay": 0.7, "maximize": True})
                    optimizer.add_param_group({"params": target.moved(points()), **own})
                step = partial(advance, target, optimizer, seed)
                of_torch(step) if optimizer is optimizers[1] else step()
                scheduler.step()
            check_alike(*optimizers, f"step {seed + 1}", names=False)

    return each([every_term(target)], compare)


@in_double()
def missing_gradients(target: Target) -> Tally:
    """Steps without any gradient, before and after steps with some."""

    def compare(sample: Sample) -> None:
        optimizers = pair(target, points, sample.init_kwargs)
        for step, skip in enumerate(((0, 1), (0,), (), (0, 1), (1,))):
            for optimizer in optimizers:
                advance(target, optimizer, step, skip)
            check_alike(*optimizers, f"step {step + 1}, no gradients for {skip}", names=False)

    return each(plain_settings(target), compare)


@in_double()
def kept_gradients(target: Target) -> Tally:
    """Gradients that are written anew into the same tensors, as after ``zero_grad(set_to_none=False)``."""

    def step(optimizer: Optimizer, seed: int) -> None:
        params = parameters(optimizer)
        for p, grad in zip(params, random_gradients(params, seed), strict=True):
            p.grad = grad if p.grad is None or grad is None else p.grad.copy_(grad)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    def compare(sample: Sample) -> None:
        if torch_samples.optimizer_needs(target.part).closure:
            raise NotApplicable("a closure makes the gradients")
        optimizers = pair(target, points, sample.init_kwargs)
        for seed in range(4):
            of_torch(lambda seed=seed: step(optimizers[1], seed))
            step(optimizers[0], seed)
            check_alike(*optimizers, f"step {seed + 1}", names=False)

    return each(plain_settings(target), compare)


@in_double()
def sparse_gradients(target: Target) -> Tally:
    """Sparse gradients, beside dense ones and alone: taken, or refused, as torch does."""

    def grad(seed: int, rows: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        places, numbers = torch.randint(6, (1, 3), generator=generator), torch.randn(3, 2, generator=generator)
        return torch.sparse_coo_tensor(places, numbers, (rows, 2), check_invariants=True).to(target.device)

    def refusal(optimizer: Optimizer) -> tuple[str, bool]:
        try:
            optimizer.step()
        except RuntimeError as error:
            return type(error).__name__, "sparse" in str(error).lower()
        return "", False

    def compare(sample: Sample) -> None:
        if torch_samples.optimizer_needs(target.part).closure:
            raise NotApplicable("a closure has dense gradients")
        for count, rows in ((2, 6), (1, 6), (1, 70_000)):

            def params(count: int = count, rows: int = rows) -> list[Parameter]:
                return [Parameter(torch.ones(rows, 2)), Parameter(torch.ones(3, 1))][:count]

            optimizers = pair(target, params, sample.init_kwargs)
            for seed in range(3):
                for optimizer in optimizers:
                    for p, g in zip(
                        parameters(optimizer),
                        (grad(seed, rows), torch.full((3, 1), 0.5, device=target.device)),
                        strict=False,
                    ):
                        p.grad = g
                expected = refusal(optimizers[1])
                check_same(refusal(optimizers[0]), expected, f"step {seed + 1}: exception, and whether of sparsity")
            ours, theirs = ([p.detach() for p in parameters(o)] for o in optimizers)
            check_same(ours, theirs, "parameters")

    return each([*plain_settings(target), *_OF_SPARSE.get(target.part.name, ())], compare)


_MOMENTUM: tuple[dict[str, Any], ...] = ({"dampening": 0.3}, {"nesterov": True}, {"dampening": 0.3, "maximize": True})
_OF_SPARSE = {
    "SGD": tuple(
        Sample(f"momentum-{number}", init_kwargs={"lr": 0.01, "momentum": 0.9, **more})
        for number, more in enumerate(_MOMENTUM)
    )
}
"""Settings that PyTorch has only together with weight decay, which refuses sparse gradients."""


def purity(target: Target) -> Tally:
    """A step is made of elementary operations, none of which is torch.optim's."""

    def check(sample: Sample) -> None:
        weight = Parameter(torch.randn(5, 4, device=target.device))
        optimizer = built(target, [weight], sample.init_kwargs)
        for seed in range(3):
            weight.grad = random_gradients([weight], seed)[0]
            if found := foreign_operations(optimizer.step):
                raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found}")

    plain = {"lr": 0.1}
    options = only_known(target, {**plain, "maximize": True, "weight_decay": 0.1})
    return each([Sample("plain", init_kwargs=plain), Sample("options", init_kwargs=options)], check)


CHECKS = (
    settings,
    trajectory,
    network,
    groups_and_schedule,
    missing_gradients,
    kept_gradients,
    sparse_gradients,
    purity,
)
"""The telling ones first."""
