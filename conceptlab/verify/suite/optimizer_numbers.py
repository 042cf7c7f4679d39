"""Optimizers: what their numbers may be: tensors, half precision, differentiated by, and absent."""

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
    betas = {"betas": (torch.tensor([0.8]), torch.tensor(0.95))}
    samples = [Sample("lr", init_kwargs=only_known(target, rate))]
    if "betas" in argument_names(target.builtin):
        samples.append(Sample("lr-and-betas", init_kwargs=only_known(target, rate | betas)))
    return each(samples, compare)


@in_double()
def differentiable(target: Target) -> Tally:
    """The derivatives of the parameters after a step or two, by all that they came from."""
    names = argument_names(target.builtin)

    def derivatives(steps: int, by_numbers: Sequence[str], of_ours: bool) -> list[Tensor | None]:
        generator = torch.Generator().manual_seed(4)
        start, *grads = (
            target.moved(torch.randn(3, 2, generator=generator).requires_grad_()) for _ in range(steps + 1)
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
        y = torch.randn(3, 2, generator=generator).to(target.device)
        leaves = [start, *grads, *by.values(), *(betas if by_betas else ())]
        return [p.detach(), *torch.autograd.grad((p * y).sum(), leaves, allow_unused=True)]

    def compare(sample: Sample) -> None:
        if "differentiable" not in names:
            raise NotApplicable("torch's own is not differentiable")
        # by learning rate and weight decay, too, where torch takes tensors for them
        steps, by_numbers = sample.kwargs["steps"], sample.kwargs["by"]
        if or_none(lambda: derivatives(steps, by_numbers, False)) is None:
            by_numbers = ()
        expected = of_torch(lambda: derivatives(steps, by_numbers, False), "torch has no derivative")
        # in a first step the betas cancel: their derivatives are zero, up to rounding
        check_same(derivatives(steps, by_numbers, True), expected, "derivatives", strides=False, noise=1e-14)

    both = ("lr", "weight_decay")
    samples = [Sample(f"steps-{n}", kwargs={"steps": n, "by": both}) for n in (1, 2)]
    samples.append(Sample("by-lr-alone", kwargs={"steps": 1, "by": ("lr",)}))
    samples.append(Sample("by-no-number", kwargs={"steps": 1, "by": ()}))
    return each(samples, compare)


def precision(target: Target, dtype: torch.dtype = torch.float32) -> Tally:
    """The error against float64 is at most four times torch's own."""
    ratio = ErrorRatio()
    setting = dict(every_term(target).init_kwargs)
    if dtype == torch.float16:
        setting |= only_known(target, {"eps": 1e-3}) if "betas" in argument_names(target.builtin) else {}

    def compare(sample: Sample) -> None:
        def start() -> list[Parameter]:
            generator = torch.Generator().manual_seed(sample.kwargs["seed"])
            shapes = ((40, 5), (140_000,))
            params = [Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]
            return taken(target, target.moved(params))

        optimizers = pair(target, start, setting)
        exact = target.builtin([Parameter(p.detach().double()) for p in start()], **setting)
        for step in range(3):
            of_torch(lambda step=step: advance(target, optimizers[1], step, rounded=dtype))
            for optimizer in (optimizers[0], exact):
                advance(target, optimizer, step, rounded=dtype)
        ratio.add(*(parameters(o) for o in (*optimizers, exact)))

    tally = each([Sample(f"{dtype}-{seed}", kwargs={"seed": seed}) for seed in range(3)], compare)
    try:
        ratio.check(f"{target.part.name} in {dtype}", torch.finfo(dtype).eps)
    except Mismatch as error:
        tally.failures.append(Failure(Sample(f"{dtype}, pooled"), error))
    return tally


def half_precision(target: Target) -> Tally:
    """`precision` in bfloat16 and float16."""
    return precision(target, torch.bfloat16) + precision(target, torch.float16)


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


CHECKS = (tensor_hyperparameters, differentiable, precision, half_precision, state_dtypes, on_meta)
"""The telling ones first."""
