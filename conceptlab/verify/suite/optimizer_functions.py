"""Optimizers: the function below the class, called by itself, compiled, and given gradients that are still scaled."""

import copy
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import registry
from conceptlab.core.namespace import all_tiers
from conceptlab.core.samples import Sample
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.optimizer_settings import every_term
from conceptlab.verify.signatures import agree, own_arguments, spelled, torch_arguments
from conceptlab.verify.steps import advance, built, check_alike, in_double, pair, parameters, points
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target

NUMBERS = (0.0, 1.0, -1.0)
"""What each number is in turn: a class refuses some of them, a function takes any."""


@in_double()
def functions(target: Target) -> Tally:
    """Its functions, called by themselves, have torch's arguments, and do what torch's do, for any number and flag."""
    concept = registry.concepts[target.part.concept]
    provided = all_tiers(concept.family)[str(target.tier)].functions()
    names = {*target.implementation.needs, target.part.name.lower()} & set(concept.functions)
    tally = Tally()
    for name in sorted(names):
        ours, theirs = provided[name], concept.builtin(name)
        tally += each([Sample(name)], partial(_compare_arguments, ours, theirs))
        tally += each(_calls(target, theirs), partial(_compare, ours, theirs))
    return tally


def _compare_arguments(ours: Callable, theirs: Callable, _: Sample) -> None:
    received, expected = own_arguments(ours) or (), torch_arguments(theirs)
    if not any(agree(received, one) for one in expected):
        raise Mismatch(f"expected the parameters {' or '.join(map(spelled, expected))}, received {spelled(received)}")


def _calls(target: Target, function: Callable) -> Iterator[Sample]:
    """A step in mid-run, and what differs from it by a number, a flag, an extreme or a count that is no tensor."""
    signature = inspect.signature(function).parameters
    columns, heard = _overheard(target)
    numbers = {name: value for name, value in heard.items() if name in signature and value is not None}
    asked = {name: value for name, value in numbers.items() if signature[name].default is inspect.Parameter.empty}
    flags = [name for name, p in signature.items() if isinstance(numbers.get(name, p.default), bool)]
    yield Sample("as it is", columns, numbers)
    yield Sample("without what has a default", columns, asked)
    for flag in flags:
        yield Sample(f"{flag} turned", columns, {**numbers, flag: not numbers.get(flag, False)})
    for decoupled in (False, True) if "decoupled_weight_decay" in flags else (False,):
        yield from _with_other_numbers(columns, {**numbers, "decoupled_weight_decay": decoupled})
    for place, column in enumerate(columns):
        if all(isinstance(x, Tensor) and x.dim() == 0 for x in column):
            counts = (*columns[:place], [1.0, 1.0], *columns[place + 1 :])
            yield Sample(f"counts that are no tensors in place {place}", counts, numbers)
            alike = (*columns[:place], [column[0].clone() for _ in column], *columns[place + 1 :])
            yield Sample(f"counts that are all alike in place {place}", alike, numbers)
    *others, steps = columns
    if all(isinstance(x, Tensor) and x.dim() == 0 for x in steps):
        single = (*others, [x.float() for x in steps])
        yield Sample("steps counted in float32", single, numbers)
        yield Sample("steps counted in float32, recorded", single, {**numbers, "differentiable": True})
    yield Sample("no parameters", tuple([] for _ in columns), numbers)


def _with_other_numbers(columns: tuple[list[Any], ...], numbers: dict[str, Any]) -> Iterator[Sample]:
    """One number another one, then extremes among the parameters or gradients; each in both of a tier's programs."""
    for recorded in (False, True):
        setting = {**numbers, "differentiable": recorded}
        for key, number in numbers.items():
            # what is centered around the average of the last gradient alone is rounding
            for other in () if isinstance(number, bool) else NUMBERS[key == "alpha" :]:
                yield Sample(f"{key}={other}", columns, {**setting, key: other})
        for place in range(2):
            extreme = copy.deepcopy(columns)
            for column in extreme[place]:
                column.view(-1)[:4] = torch.tensor([torch.inf, -torch.inf, torch.nan, 0.0])
            for decay in (0.0, 0.1):
                yield Sample(f"extremes in place {place}", extreme, {**setting, "weight_decay": decay})


def _overheard(target: Target) -> tuple[tuple[list[Any], ...], dict[str, Any]]:
    """What the class gives its function in a third step, the two parameters being of two ages.

    By position the parameters, their gradients and their state; by name the numbers and flags.
    """
    optimizer: Any = built(target, target.moved(points()), every_term(target).init_kwargs)
    for step, skip in enumerate(((0,), ())):
        advance(target, optimizer, step, skip)
    heard: list[tuple[tuple[list[Any], ...], dict[str, Any]]] = []
    (name,) = target.implementation.needs
    optimizer.ops = SimpleNamespace(**{name: lambda *args, **kwargs: heard.append((copy.deepcopy(args), kwargs))})
    advance(target, optimizer, 2)
    [(args, kwargs)] = heard
    return tuple([x.detach() if isinstance(x, Tensor) else x for x in column] for column in args), kwargs


def _compare(ours: Callable, theirs: Callable, sample: Sample) -> None:
    # what is recorded for a derivative is the same step, in which torch may count in float32
    expected, error = _after(theirs, sample, recorded=False)
    if isinstance(error, ZeroDivisionError):
        raise NotApplicable("torch divides by zero")
    received, refusal = _after(ours, sample, recorded=sample.kwargs.get("differentiable", False))
    check_same(type(refusal).__name__, type(error).__name__, "what it refuses, as")
    if error is None:
        check_same(received, expected, "parameters, gradients and state")


def _after(function: Callable, sample: Sample, *, recorded: bool) -> tuple[Any, Exception | None]:
    columns, known = copy.deepcopy(sample.args), inspect.signature(function).parameters
    try:
        with torch.set_grad_enabled(recorded):
            # torch's program of loops: the one with foreach, which CUDA has by default, overwrites SGD's gradients
            kwargs = {"foreach": False, **sample.kwargs, "differentiable": recorded}
            function(*columns, **{name: value for name, value in kwargs.items() if name in known})
    except REFUSALS as error:
        return columns, error
    return columns, None


@in_double()
def compiled_step(target: Target) -> Tally:
    """``torch.compile`` takes a step; of a tier, in no more graphs than of torch's own, and not anew for the next."""

    def graphs(optimizer: Any) -> int:
        found: list[Any] = []

        def backend(graph: torch.fx.GraphModule, _: Any) -> Callable:
            found.append(graph)
            return graph.forward

        torch.compiler.reset()
        optimizer.step = torch.compile(optimizer.step, backend=backend)
        for seed in range(4):
            advance(target, optimizer, seed)
        return len(found)

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, points, sample.init_kwargs)
        # away from the CPU, a compiled step takes its count along to the parameters, where one that is not leaves it
        allowed = of_torch(lambda: graphs(theirs), "torch's own step does not compile")
        received = graphs(ours)
        check_alike(ours, theirs, "compiled", names=False)
        if target.tier is not None and received > allowed:
            raise Mismatch(f"compiled into {received} graphs, torch's own into {allowed}")

    return each([every_term(target)], compare)


@in_double()
def scaled_gradients(target: Target) -> Tally:
    """What GradScaler leaves to a fused optimizer, to unscale the gradients and to skip a step: done, or refused."""

    def scaled(optimizer: Any, overflow: float) -> None:
        for seed, found in enumerate((0.0, overflow)):
            numbers = (torch.tensor(x, dtype=torch.float32, device=target.device) for x in (4.0, found))
            optimizer.grad_scale, optimizer.found_inf = numbers
            advance(target, optimizer, seed)

    def compare(sample: Sample) -> None:
        overflow = sample.kwargs["overflow"]
        ours, theirs = pair(target, points, {**every_term(target).init_kwargs, "fused": True})
        of_torch(lambda: scaled(theirs, overflow))
        try:
            scaled(ours, overflow)
        except REFUSALS:
            check_same([p.detach() for p in parameters(ours)], [p.detach() for p in target.moved(points())], "refused")
        else:
            check_alike(ours, theirs, "after a step of scaled gradients", names=False)

    return each([Sample(f"found_inf={x}", kwargs={"overflow": x}) for x in (0.0, 1.0)], compare)


CHECKS = (functions, compiled_step, scaled_gradients)
"""The telling ones first."""
