"""Optimizers as objects: construction, state, copies, closures, hooks, refusals."""

import copy
import io
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.optimizer_settings import PROGRAMS, every_term, plain_settings, settings_of
from conceptlab.verify.steps import (
    advance,
    argument_names,
    built,
    check_alike,
    in_double,
    objective,
    pair,
    parameters,
    points,
)
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each
from conceptlab.verify.target import Target


@in_double()
def constructed(target: Target) -> Tally:
    """The constructor takes torch's arguments, and the parameter groups hold them."""
    expected = argument_names(target.builtin) - set(PROGRAMS)

    def compare(sample: Sample) -> None:
        if missing := sorted(expected - argument_names(target.implementation)):
            raise Mismatch(f"constructor: expected torch's arguments, received none named {', '.join(missing)}")
        ours, theirs = pair(target, points, sample.init_kwargs)
        for received, group in zip(ours.param_groups, theirs.param_groups, strict=True):
            for name in group.keys() & expected - {"params"}:
                check_same(received.get(name, "nothing"), group[name], f"param_groups: {name}")
        if target.tier is not None:
            check_same(repr(ours).replace(f"tier: {target.tier}\n", ""), repr(theirs), "repr without the tier")
            check_same(f"tier: {target.tier}" in repr(ours), True, "repr names the tier")

    return each(settings_of(target), compare)


@in_double()
def state_exchanged(target: Target) -> Tally:
    """A run that changes hands twice, to torch and back, by way of ``state_dict``, is the run that stayed."""

    def compare(sample: Sample) -> None:
        active, other = pair(target, points, sample.init_kwargs)
        _, stays = pair(target, points, sample.init_kwargs)
        for seed in range(9):
            if seed in (3, 6):
                other.load_state_dict(pickle.loads(pickle.dumps(active.state_dict())))
                stays.load_state_dict(stays.state_dict())  # which may bring what it holds to another device
                for p, q in zip(parameters(other), parameters(active), strict=True):
                    p.data.copy_(q.data)
                other, active = active, other
            for optimizer in (active, stays):
                advance(target, optimizer, seed)
            check_alike(active, stays, f"step {seed + 1}")
        check_same(_settings_of(active, target), _settings_of(stays, target), "param_groups")

    return each(plain_settings(target), compare)


def _settings_of(optimizer: Optimizer, target: Target) -> list[list[tuple[str, Any]]]:
    offered = argument_names(target.implementation)
    groups = optimizer.state_dict()["param_groups"]
    return [[(k, v) for k, v in sorted(g.items()) if k not in PROGRAMS or k in offered] for g in groups]


@in_double()
def copied(target: Target) -> Tally:
    """``deepcopy``, ``pickle`` and ``torch.save`` in mid-run give the same optimizer, in the same tier."""

    def saved_and_loaded(optimizer: Optimizer) -> Optimizer:
        file = io.BytesIO()
        torch.save(optimizer, file)
        file.seek(0)
        return torch.load(file, weights_only=False)  # our own bytes, written two lines above

    ways: dict[str, Callable[[Any], Any]] = {
        "deepcopy": copy.deepcopy,
        "pickle": lambda optimizer: pickle.loads(pickle.dumps(optimizer)),
        "torch.save": saved_and_loaded,
    }

    def compare(sample: Sample) -> None:
        original: Any
        original, theirs = pair(target, points, every_term(target).init_kwargs)
        for optimizer in (original, theirs):
            advance(target, optimizer, 0)
        try:
            advance(target, ways[sample.name](theirs), 1)
        except (AttributeError, *REFUSALS) as error:
            raise NotApplicable("torch's own copy takes no step") from error
        double = ways[sample.name](original)
        if target.tier is not None:
            check_same(double.tier, target.tier, "tier of the copy")
            check_same(double.ops is original.ops, True, "functions of the copy are those of its tier")
        for optimizer in (double, theirs):
            advance(target, optimizer, 1)
        check_alike(double, theirs, "the copy", names=False)

    return each(map(Sample, ways), compare)


@in_double()
def closure(target: Target) -> Tally:
    """A closure is called, with gradients on, its loss is returned, and the mode is afterwards as it was."""
    sparse = torch_samples.optimizer_needs(target.part).sparse

    def losses(optimizer: Any) -> list[Tensor]:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = objective(*parameters(optimizer))
            loss.backward()
            for p in parameters(optimizer):
                if sparse and p.grad is not None:
                    p.grad = p.grad.to_sparse()
            return loss

        with torch.no_grad():
            found = [torch.as_tensor(optimizer.step(closure)).detach() for _ in range(3)]
            check_same(torch.is_grad_enabled(), False, "gradients enabled after a step under no_grad")
        return found

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, points, sample.init_kwargs)
        expected = losses(theirs)
        check_same(losses(ours), expected, "loss that a step returns", bound=1e-12)
        check_alike(ours, theirs, "closure", names=False)

    return each([every_term(target)], compare)


def step_hooks(target: Target) -> Tally:
    """Hooks before and after a step, of one optimizer and of all, are called, in torch's order."""

    def order(optimizer: Any) -> list[str]:
        found: list[str] = []

        def closure() -> Tensor:
            found.append("step")
            return torch.zeros(())

        optimizer.register_step_pre_hook(lambda *_: found.append("before"))
        optimizer.register_step_post_hook(lambda *_: found.append("after"))
        anywhere = register_optimizer_step_pre_hook(lambda *_: found.append("global"))
        try:
            optimizer.step(closure)
        finally:
            anywhere.remove()
        return found

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, points, sample.init_kwargs)
        check_same(", ".join(order(ours)), ", ".join(order(theirs)), "order")

    return each([Sample("default")], compare)


@in_double()
def no_graph(target: Target) -> Tally:
    """No graph is kept from step to step, and parameters stay leaves."""
    sparse = torch_samples.optimizer_needs(target.part).sparse

    def compare(sample: Sample) -> None:
        ours: Any
        ours, _ = pair(target, points, sample.init_kwargs)

        def closure() -> Tensor:
            with torch.enable_grad():
                ours.zero_grad()
                loss = objective(*parameters(ours))
                loss.backward()
            for p in parameters(ours):
                if sparse and p.grad is not None:
                    p.grad = p.grad.to_sparse()
            return loss

        for _ in range(3):
            ours.step(closure)
        state = [x for s in ours.state.values() for x in s.values() if isinstance(x, Tensor)]
        if any(x.requires_grad for x in state):
            raise Mismatch("the state keeps the graph of a step")
        if not all(p.is_leaf and p.requires_grad for p in parameters(ours)):
            raise Mismatch("a parameter is no leaf any more")

    return each([every_term(target)], compare)


def refused(target: Target) -> Tally:
    """What torch refuses, or warns of, is refused, with torch's type of exception and key words."""
    cases = list(torch_samples.optimizer_error_samples(target.part))

    def compare(sample: Sample) -> None:
        expected, pattern = next((kind, words) for other, kind, words in cases if other is sample)
        params = points() if sample.init_args[0] is None else sample.init_args[0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", expected if issubclass(expected, Warning) else UserWarning)
                advance(target, built(target, params, sample.init_kwargs), 0)
        except expected as error:
            if not re.search(pattern, str(error)):
                raise Mismatch(f"expected a message with the words {pattern!r}, received {str(error)!r}") from error
            return
        except Exception as error:
            raise Mismatch(f"expected {expected.__name__}, received {error!r}") from error
        raise Mismatch(f"expected {expected.__name__}, and it was accepted")

    return each((sample for sample, _, _ in cases), compare)


CHECKS = (
    constructed,
    state_exchanged,
    copied,
    closure,
    step_hooks,
    no_graph,
    refused,
)
"""The telling ones first."""
