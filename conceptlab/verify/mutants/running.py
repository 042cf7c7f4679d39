"""Whether a check notices: each mutant in a process of its own."""

import ast
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from conceptlab.core import message
from conceptlab.verify.mutants.edits import Mutant
from conceptlab.verify.mutants.identical import fingerprint
from conceptlab.verify.mutants.processes import in_processes
from conceptlab.verify.mutants.subjects import Subject, bound_checks
from conceptlab.verify.tally import stopping_at_once
from conceptlab.verify.target import Target

Status = Literal["killed", "survived", "equivalent", "not viable"]

FIRST = ("values", "first_derivatives", "behaviour")
"""The checks at which most mutants end: they are tried before others that cost a tenth of them."""
UNHEARD = {
    "signature",  # which reads the defaults and does not call the function
    # a compiler reads the code and does not call it
    *("compiled", "compiled_layer", "compiled_once", "compiled_step", "inductor"),
    *("gradcheck", "gradgradcheck", "flat_memory", "saved_memory"),  # which repeat calls of the others, many times
}
"""Checks that tell nothing by what they call, or take long: they are for what all others let pass."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        mutant: the mutant.
        status: what came of it. ``not viable`` if the file cannot be imported with it, which counts for nothing.
        by: the check that noticed, "the time limit" or "a crash".
        seconds: what it took.
    """

    mutant: Mutant
    status: Status
    by: str = ""
    seconds: float = 0.0


@dataclass
class Baseline:
    """What the checks say, cost and reach when the file is as it is.

    Attributes:
        cost: seconds of each check.
        failing: the checks that fail without any mutant.
        reaches: for each check that is not in `UNHEARD` the functions of the file that it calls.
        recorded: the functions that any check calls while autograd records. The others run within a rule alone.
    """

    cost: dict[str, float] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    reaches: dict[str, frozenset[str]] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)

    def add(self, other: "Baseline") -> None:
        """Take in what other checks say."""
        self.cost |= other.cost
        self.failing += other.failing
        self.reaches |= other.reaches
        self.recorded |= other.recorded

    def concerns(self, mutant: Mutant) -> bool:
        """Whether it can change anything: where nothing is recorded, there is nothing to detach from."""
        reached = any(mutant.place in places for places in self.reaches.values())
        return mutant.operator != "detach" or not reached or mutant.place in self.recorded

    def order(self, mutant: Mutant, reaches: Mapping[str, frozenset[str]] | None = None) -> list[str]:
        """The checks that can notice: those that call the mutated function, cheap and telling ones first.

        And all where none is heard to call it.

        Args:
            mutant: the mutant.
            reaches: of other checks, where these are not heard: then those of the same parts can notice.
        """
        heard = {check for check, places in (reaches or self.reaches).items() if mutant.place in places}
        parts = {check.split()[0] for check in heard}
        able = [c for c in self.cost if not heard or (c.split()[0] in parts if reaches else c in heard)]
        return sorted(able, key=lambda check: self.cost[check] / (10 if check.split()[1] in FIRST else 1))

    @property
    def limit(self) -> float:
        """Seconds of computing that a mutant may take: ten, and three times what all checks take."""
        return 10 + 3 * sum(self.cost.values())


def baseline(subject: Subject, *, heard: bool = True) -> Baseline:
    """Run the checks that are listened to, or the others, on the file as it is, in a process of its own."""
    return baselines([subject], heard=heard)[subject.name]


def baselines(subjects: Sequence[Subject], jobs: int = 1, *, heard: bool = True) -> dict[str, Baseline]:
    """The same for several files that the same checks are about, which run once for all of them.

    Raises:
        SystemExit: a check fails.
    """
    for target in _as_it_is(subjects[0]):
        # the samples are made here, and every process that is forked from this one has them
        for training in (True, False):
            list(target.samples(training=training))
        list(target.samples(thinned=False))
    found = {subject.name: Baseline() for subject in subjects}
    tasks: list[Callable] = [partial(_measure, subjects, slice(n, None, jobs), heard) for n in range(jobs)]
    for _, answer, _ in in_processes(tasks, jobs, cpu=3600):
        if isinstance(answer, str):
            raise RuntimeError(f"{subjects[0].name}, unchanged: {answer}")
        for name, known in found.items():
            known.add(answer[name])
    for name, known in found.items():
        if known.failing:
            expected, received = "a file that passes all checks before it is changed", "; ".join(known.failing)
            remedy = "Mend it first: a check that fails anyway notices nothing."
            raise SystemExit(message(name, expected=expected, received=received, remedy=remedy))
    return found


def _as_it_is(subject: Subject) -> list[Target]:
    return subject.load(ast.parse(subject.path.read_text()))


def _measure(subjects: Sequence[Subject], part: slice, heard: bool) -> dict[str, Baseline]:
    found = {str(subject.path): Baseline() for subject in subjects}
    checks = bound_checks(_as_it_is(subjects[0]))
    for name in [name for name in checks if (name.split()[1] not in UNHEARD) == heard][part]:
        check = checks[name]
        places: dict[str, set[str]] = {path: set() for path in found}

        def listen(frame: Any, event: str, _: Any, places: dict[str, set[str]] = places) -> None:
            path = frame.f_code.co_filename
            if event == "call" and path in places:
                place = frame.f_code.co_qualname.partition(".<locals>")[0]
                places[path].add(place)
                if torch.is_grad_enabled():
                    found[path].recorded.add(place)

        began = time.process_time()
        sys.setprofile(listen if heard else None)
        try:
            tally = check.check(check.target)
        finally:
            sys.setprofile(None)
        for path, known in found.items():
            known.cost[name] = time.process_time() - began
            known.reaches[name] = frozenset(places[path])
            if tally.failures:
                known.failing.append(f"{name}: {tally.failures[0]}")
    return {subject.name: found[str(subject.path)] for subject in subjects}


def run(
    subject: Subject,
    mutants: Iterable[Mutant],
    known: Baseline,
    equivalent: Iterable[str] = (),
    *,
    jobs: int = 1,
    limit: float | None = None,
) -> Iterator[Verdict]:
    """Run the mutants of a file, and say of each what became of it, as soon as it is known.

    Args:
        subject: the file.
        mutants: those to run.
        known: the `baseline` of the file. That of the checks in `UNHEARD` is made for the first mutant that all others
            let pass.
        equivalent: keys of those that are said to be equivalent. Each is compared bit by bit, and run like the others
            if its results are not identical.
        jobs: how many processes at a time.
        limit: seconds of computing that a mutant may take, instead of those of `Baseline.limit`.
    """
    mutants, said = list(mutants), frozenset(equivalent)
    unchanged = fingerprint(_as_it_is(subject)) if said & {mutant.key for mutant in mutants} else []
    rest: Baseline | None = None
    tasks = [lambda m=m: _judge(subject, m, known.order(m), unchanged if m.key in said else None) for m in mutants]
    for index, answer, seconds in in_processes(tasks, jobs, limit or known.limit):
        # a text says what ended it
        mutant, (status, by) = mutants[index], answer if isinstance(answer, tuple) else ("killed", answer)
        if answer == UNNOTICED:
            rest = rest or baseline(subject, heard=False)
            others = rest.order(mutant, known.reaches)
            ask = [lambda m=mutant, order=others: _noticed_by(subject.load(m.tree()), order)]
            ((_, by, more),) = in_processes(ask, 1, limit or rest.limit)
            seconds += more
            if by:
                status = "killed"
            elif mutant.key in said:
                status, by = ("survived", "said to be equivalent: differs") if unchanged else ("equivalent", "")
        yield Verdict(mutant, status, by, seconds)


UNNOTICED: tuple[Status, str] = ("survived", "")
NOTHING = "nothing that has a gradient was detached"


def _judge(subject: Subject, mutant: Mutant, order: list[str], identical: list[str] | None) -> tuple[Status, str]:
    """``identical``: the fingerprint of what is said to be equivalent, of which no check is asked if it has it."""
    try:
        targets = subject.load(mutant.tree())
        bound_checks(targets)
    except Exception as error:
        return "not viable", f"{type(error).__name__}: {error}"
    # the sooner answer where there are samples to tell by: an optimizer's checks, say, have none
    if identical and fingerprint(targets) == identical:
        return "equivalent", ""
    with _detached_in(str(subject.path)) as detached:
        if by := _noticed_by(targets, order):
            return "killed", by
    return ("equivalent", NOTHING) if mutant.operator == "detach" and not detached else UNNOTICED


def _noticed_by(targets: list[Target], order: list[str]) -> str:
    """The first of these checks that fails, if any."""
    known = bound_checks(targets)
    for name in order:
        with stopping_at_once():
            if known[name].check(known[name].target).failures:
                return name
    return ""


@contextlib.contextmanager
def _detached_in(path: str) -> Iterator[list[str]]:
    """Of what has a derivative, backward or forward: a note for each time that the file's code calls ``detach``."""
    detach, notes = torch.Tensor.detach, []

    def noted(x: torch.Tensor) -> torch.Tensor:
        if _has_derivative(x) and sys._getframe(1).f_code.co_filename == path:
            notes.append(path)
        return detach(x)

    torch.Tensor.detach = noted  # type: ignore[assignment, method-assign]
    try:
        yield notes
    finally:
        torch.Tensor.detach = detach  # type: ignore[method-assign]


def _has_derivative(x: torch.Tensor) -> bool:
    if not (x.is_floating_point() or x.is_complex()):
        return False
    if x.requires_grad or torch._C._functorch.is_functorch_wrapped_tensor(x):
        return True
    is_forward = torch.autograd.forward_ad._current_level >= 0
    return is_forward and torch.autograd.forward_ad.unpack_dual(x).tangent is not None
