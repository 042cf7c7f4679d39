"""How it is called: its signature, what it leaves untouched, and what it says of a call that it refuses."""

import inspect
import re
import warnings
from collections.abc import Callable

import torch

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import upstream
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.outcomes import few, outcome
from conceptlab.verify.signatures import Argument, Arguments, agree, own_arguments, spelled, torch_arguments
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target


def signature(target: Target) -> Tally:
    """The parameters' names, their order, their kinds and their defaults are torch's."""

    def compare(_: Sample) -> None:
        theirs = torch_arguments(target.builtin)
        if not theirs:
            raise NotApplicable("torch shows no signature")
        ours = own_arguments(target.implementation)
        if ours is None:
            raise NotApplicable("it shows no parameters: it takes *args or **kwargs, or is written in C")
        if not any(agree(_counted(target, ours, one), _public(target, one)) for one in theirs):
            raise Mismatch(f"expected the parameters {' or '.join(map(spelled, theirs))}, received {spelled(ours)}")

    return each([Sample("signature")], compare)


def _public(target: Target, theirs: Arguments) -> Arguments:
    """Nobody has to know torch's private ``_stacklevel``; a tier, which answers torch's own calls, does."""
    return theirs if target.tier else tuple(a for a in theirs if not a.name.startswith("_"))


def _counted(target: Target, ours: Arguments, theirs: Arguments) -> Arguments:
    """Without what may be there besides: a tier's name, and options of somebody's own, which no call of torch's has."""
    known = {argument.name for argument in theirs}

    def additional(argument: Argument) -> bool:
        optional = argument.default is not inspect.Parameter.empty
        return argument.name not in known and optional and (not target.tier or argument.name == "tier")

    last = max((i for i, argument in enumerate(ours) if not additional(argument)), default=-1)
    return _public(target, tuple(a for i, a in enumerate(ours) if i <= last or not (additional(a))))


def untouched(target: Target) -> Tally:
    """The backward pass writes to neither the upstream gradient nor the inputs and parameters."""

    def compare(sample: Sample) -> None:
        of_torch(lambda: _backward(target, sample, theirs=True), "torch has no derivative")
        for what, before, after in zip(_TOUCHABLE, *_backward(target, sample), strict=True):
            check_same(after, before, f"{what} after the backward pass", bound=0.0)

    return each(few(target.samples(), 40), compare)


_TOUCHABLE = ("upstream gradient", "inputs and parameters", "result")


def _backward(target: Target, sample: Sample, *, theirs: bool = False) -> tuple[list, list]:
    """What the backward pass has at hand, before and after it."""
    called = outcome(target, sample, theirs=theirs)
    if not called.differentiable or not called.leaves:
        raise NotApplicable("nothing to differentiate by")
    grads = upstream(called.differentiable)
    touchable = (grads, called.leaves, called.differentiable)
    before = [[t.detach().clone() for t in tensors] for tensors in touchable]
    torch.autograd.grad(called.differentiable, called.leaves, grads, allow_unused=True)
    return before, [[t.detach() for t in tensors] for tensors in touchable]


def error_words(target: Target) -> Tally:
    """The message of a refused call says what is at fault: it names an argument, or has a telling word of torch's."""
    if target.part.is_class:
        cases = (sample for sample, *_ in torch_samples.class_error_samples(target.part, torch.float64))
    else:
        cases = (sample for sample, *_ in torch_samples.function_error_samples(target.part))
    extra = {"tier": target.tier} if target.part.is_class and target.tier else {}
    # not torch's own message in full: of two faults in one call either may be named
    arguments = {argument.name for one in torch_arguments(target.builtin) for argument in one}

    def compare(sample: Sample) -> None:
        expected, received = _message(target.builtin, sample, {}), _message(target.implementation, sample, extra)
        if expected is None:
            raise NotApplicable("torch accepts it")
        if received is None:
            raise NotApplicable("it is accepted, which another check tells")
        if received != expected and not any(
            _alike(a, b) for a in telling_words(expected) | arguments for b in telling_words(received)
        ):
            raise Mismatch(f"expected a message that tells what is wrong, as {expected!r}, received {received!r}")

    return each(cases, compare)


def _message(function: Callable, sample: Sample, extra: dict) -> str | None:
    with warnings.catch_warnings(action="ignore"):  # torch may warn before it refuses
        try:
            if isinstance(function, type):
                function = function(*sample.init_args, **sample.init_kwargs, **extra)
            function(*sample.args, **sample.kwargs)
        except Exception as error:
            return str(error)
    return None


# of which every message is made
_SAY_NOTHING = frozenset(
    re.findall(
        r"\w+",
        "and are argument but does error expected for found given got instead invalid its least must not only or "
        "received should some supported than that the this value values was which with wrong",
    )
)


def telling_words(message: str) -> set[str]:
    """Its words but for those of which every message is made.

    >>> sorted(telling_words("pad must be at most 2, but got pad=3"))
    ['most', 'pad']
    """
    return set(re.findall(r"[a-z_]{3,}", message.lower())) - _SAY_NOTHING


def _alike(word: str, other: str) -> bool:
    """Whether one begins with the other, as padding with pad."""
    return word.startswith(other) or other.startswith(word)
