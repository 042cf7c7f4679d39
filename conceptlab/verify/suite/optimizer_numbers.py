"""Optimizers: what their numbers may be: tensors, half precision, differentiated by, and absent."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from conceptlab.core.samples import Sample
from conceptlab.verify.closeness import ErrorRatio, Mismatch, check_same
from conceptlab.verify.optimizer_settings import every_term
from conceptlab.verify.steps import (
    advance,
    argument_names,
    built,
    check_alike,
    in_double,
    kinds_for,
    only_known,
    pair,
    parameters,
    taken,
)
from conceptlab.verify.tally import Failure, NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target


@in_double()
def tensor_hyperparameters(target: Target) -> Tally:
    """A learning rate (and betas) that are tensors, of one element in any number of axes."""

    def compare(sample: Sample) -> None:
        optimizers = pair(target, lambda: taken(target, kinds_for(target)), sample.init_kwargs)
        for seed in range(3):
            of_torch(lambda seed=seed: advance(target, optimizers[1], seed))
            advance(target, optimizers[0], seed)
            check_alike(*optimizers, f"step {seed + 1}", names=False)

    rate = {"lr": torch.tensor([[0.05]]), "weight_decay": 0.1, "momentum": 0.9}
    decay = {**rate, "weight_decay": torch.tensor(0.1)}
    betas = {"betas": (torch.tensor([0.8]), torch.tensor(0.95))}
    samples = [
        Sample("lr", init_kwargs=only_known(target, rate)),
        Sample("lr-and-weight-decay", init_kwargs=only_known(target, decay)),
    ]
    if "betas" in argument_names(target.builtin):
        samples.append(Sample("lr-and-betas", init_kwargs=only_known(target, rate | betas)))
    return each(samples, compare)


@in_double()
def differentiable(target: Target) -> Tally:
    """The derivatives of the parameters after a step or two, by all that they came from."""
    names = argument_names(target.builtin)

    def derivatives(size: int, steps: int, by_numbers: Sequence[str], of_ours: bool) -> list[Tensor | None]:
        generator = torch.Generator().manual_seed(4)
        start, *grads = (
            target.moved(torch.randn(size, 2, generator=generator).requires_grad_()) for _ in range(steps + 1)
        )
        by = {name: torch.tensor(0.05).requires_grad_() for name in by_numbers if name in names}
        # torch's own Adam has none by betas in a second step
        betas = tuple(torch.tensor(b, requires_grad=True) for b in (0.8, 0.9))
        by_betas = bool(by_numbers) and steps == 1 and "betas" in names
        others: dict[str, Any] = {"momentum": 0.9, "nesterov": True} if steps > 1 else {}
        others |= {"betas": betas if by_betas else (0.8, 0.9), "eps": 0.1, "differentiable": True}
        kwargs = {**by, **only_known(target, others)}
        p = start.clone()
        optimizer: Any = built(target, [p], kwargs) if of_ours else target.builtin([p], **kwargs)
        for grad in grads:
            p.grad = grad.clone()
            optimizer.step()
        y = torch.randn(size, 2, generator=generator).to(target.device)
        leaves = [start, *grads, *by.values(), *(betas if by_betas else ())]
        return [p.detach(), *torch.autograd.grad((p * y).sum(), leaves, allow_unused=True)]

    def compare(sample: Sample) -> None:
        if "differentiable" not in names:
            raise NotApplicable("torch's own is not differentiable")
        # by learning rate and weight decay, too, where torch takes tensors for them
        size, steps, by_numbers = sample.kwargs.values()
        if or_none(lambda: derivatives(size, steps, by_numbers, False)) is None:
            by_numbers = ()
        expected = of_torch(lambda: derivatives(size, steps, by_numbers, False), "torch has no derivative")
        # in a first step the betas cancel: their derivatives are zero, up to rounding
        received = derivatives(size, steps, by_numbers, True)
        check_same(received, expected, "derivatives", strides=False, noise=1e-14)

    settings = {
        "steps-1": (3, 1, ("lr", "weight_decay")),
        "steps-2": (3, 2, ("lr", "weight_decay")),
        "by-lr-alone": (3, 1, ("lr",)),
        "by-no-number": (3, 1, ()),
        "of-many": (70_000, 2, ()),
    }
    names_of = ("size", "steps", "by")
    return each((Sample(what, kwargs=dict(zip(names_of, s, strict=True))) for what, s in settings.items()), compare)


_TENSORS = {"lr": 0.05, "weight_decay": 0.1, "lr_decay": 0.2, "momentum_decay": 0.03, "beta1": 0.8, "beta2": 0.9}


@in_double()
def derivatives_by_numbers(target: Target) -> Tally:
    """The derivatives after three steps, by all numbers that may be tensors, too, agree with finite differences."""
    names = argument_names(target.builtin)
    takes = [name for name in _TENSORS if name in names or ("betas" in names and name.startswith("beta"))]
    # torch's SGD, and so ours, detaches its first momentum
    momentum = 0.9 if "centered" in names else 0.0
    options = {"amsgrad": True, "centered": True, "momentum": momentum, "eps": 0.1, "differentiable": True}
    fixed = only_known(target, options)

    def three_steps(start: Tensor, grad: Tensor, *numbers: Tensor) -> Tensor:
        given: dict[str, Any] = dict(zip(takes, numbers, strict=True))
        if "betas" in names:
            given["betas"] = (given.pop("beta1"), given.pop("beta2"))
        p = start.clone()
        optimizer: Any = built(target, [p], {**fixed, **given})
        for factor in (1, 2, 0.5):
            p.grad = grad * factor
            optimizer.step()
        return p

    def compare(_: Sample) -> None:
        if "differentiable" not in names:
            raise NotApplicable("torch's own is not differentiable")
        generator = torch.Generator().manual_seed(5)
        start, grad = (torch.randn(4, generator=generator) for _ in range(2))
        leaves = [start, grad, *(torch.tensor(_TENSORS[name]) for name in takes)]
        torch.autograd.gradcheck(three_steps, [x.to(target.device).requires_grad_() for x in leaves])

    return each([Sample("three steps")], compare)


def precision(target: Target, dtype: torch.dtype = torch.float32) -> Tally:
    """The error against float64 is at most four times torch's own, by a learning rate that is a tensor, too."""
    setting = dict(every_term(target).init_kwargs)
    if dtype == torch.float16:
        setting |= only_known(target, {"eps": 1e-3}) if "betas" in argument_names(target.builtin) else {}
    ratios = {kind: ErrorRatio() for kind in ("number", "tensor")}

    def compare(sample: Sample) -> None:
        def start() -> list[Parameter]:
            generator = torch.Generator().manual_seed(sample.kwargs["seed"])
            shapes = ((40, 5), (140_000,))
            params = [Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]
            return taken(target, target.moved(params))

        by_tensor = {"lr": torch.tensor(setting.get("lr", 0.05))} if sample.kwargs["rate"] == "tensor" else {}
        optimizers = pair(target, start, {**setting, **by_tensor})
        exact = target.builtin([Parameter(p.detach().double()) for p in start()], **setting)
        for step in range(3):
            of_torch(lambda step=step: advance(target, optimizers[1], step, rounded=dtype))
            for optimizer in (optimizers[0], exact):
                advance(target, optimizer, step, rounded=dtype)
        ratios[sample.kwargs["rate"]].add(*(parameters(o) for o in (*optimizers, exact)))

    samples = [
        Sample(f"{dtype}-{rate}-{seed}", kwargs={"seed": seed, "rate": rate}) for rate in ratios for seed in range(3)
    ]
    tally = each(samples, compare)
    for rate, ratio in ratios.items():
        try:
            ratio.check(f"{target.part.name} in {dtype}, lr a {rate}", torch.finfo(dtype).eps)
        except Mismatch as error:
            tally.failures.append(Failure(Sample(f"{dtype}, {rate}, pooled"), error))
    return tally


def half_precision(target: Target) -> Tally:
    """`precision` in bfloat16 and float16."""
    return precision(target, torch.bfloat16) + precision(target, torch.float16)


def rounded_once(target: Target) -> Tally:
    """In half precision a step, by whatever learning rate, is computed in float32: its numbers are rounded once.

    All but a fiftieth are those of torch's step in float64, rounded: a few lie so near the middle of two that float32
    falls to the other side.
    """
    terms = every_term(target).init_kwargs

    def compare(sample: Sample) -> None:
        dtype, rate, setting = sample.kwargs.values()
        generator = torch.Generator().manual_seed(0)
        start = [Parameter(torch.randn(4000, generator=generator).to(dtype))]
        ours = built(target, target.moved(start), {**setting, "lr": rate})
        for step in range(3):
            exact = target.builtin([Parameter(p.detach().double()) for p in parameters(ours)], **setting)
            exact.load_state_dict(copy.deepcopy(ours.state_dict()))
            for optimizer in (ours, exact):
                advance(target, optimizer, step, rounded=dtype)
            for received, expected in zip(_columns(ours), _columns(exact), strict=True):
                share = (received != expected.to(dtype)).double().mean().item()
                if share > 0.02:
                    raise Mismatch(f"step {step + 1}: {share:.1%} of the numbers are not the step in float64, rounded")

    lr = terms.get("lr", 0.05)
    samples = [
        Sample(f"{dtype}, lr {rate}, {what}", kwargs={"dtype": dtype, "rate": rate, "setting": setting})
        for dtype in (torch.bfloat16, torch.float16)
        for rate in (lr, torch.tensor(lr))
        for what, setting in (
            ("every term", terms),
            ("no decay", {**terms, **only_known(target, {"weight_decay": 0.0})}),
            ("few terms", {"lr": lr}),
        )
    ]
    return each(samples, compare)


def _columns(optimizer: Optimizer) -> list[Tensor]:
    """The parameters, and of their state what is as large."""
    state = [v for p in parameters(optimizer) for _, v in sorted(optimizer.state[p].items()) if _has_axes(v)]
    return [p.detach() for p in parameters(optimizer)] + state


def state_dtypes(target: Target) -> Tally:
    """The state of parameters in half precision has torch's dtypes."""

    def compare(sample: Sample) -> None:
        dtype = sample.kwargs["dtype"]
        ours, theirs = pair(target, lambda: [Parameter(torch.ones(4, 1, dtype=dtype))], every_term(target).init_kwargs)
        of_torch(lambda: advance(target, theirs, 0), f"torch has no steps in {dtype}")
        advance(target, ours, 0)
        received, expected = (
            {k: str(v.dtype) for k, v in o.state_dict()["state"].get(0, {}).items() if isinstance(v, Tensor)}
            for o in (ours, theirs)
        )
        check_same(str(sorted(received.items())), str(sorted(expected.items())), "dtypes of the state")

    return each([Sample(str(dtype), kwargs={"dtype": dtype}) for dtype in (torch.bfloat16, torch.float16)], compare)


def on_meta(target: Target) -> Tally:
    """On the meta device parameters and state stay there, in torch's shapes."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, lambda: [Parameter(torch.ones(3, 2, device="meta"))], sample.init_kwargs)
        for seed in range(2):
            of_torch(lambda seed=seed: _meta_step(theirs), "torch has no meta device for it")
            _meta_step(ours)
        received, expected = (
            [str(parameters(o)[0].device)]
            + [f"{k} {v.device} {tuple(v.shape)}" for k, v in sorted(o.state[parameters(o)[0]].items()) if _has_axes(v)]
            for o in (ours, theirs)
        )
        check_same(str(received), str(expected), "devices and shapes")

    return each([every_term(target)], compare)


def _meta_step(optimizer: Optimizer) -> None:
    for p in parameters(optimizer):
        p.grad = torch.ones_like(p)
    optimizer.step()


def _has_axes(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0


CHECKS = (
    tensor_hyperparameters,
    differentiable,
    derivatives_by_numbers,
    precision,
    half_precision,
    rounded_once,
    state_dtypes,
    on_meta,
)
"""The telling ones first."""
