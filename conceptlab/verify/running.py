"""Running one check: each time on the same samples, all of them or a draw, with somebody watching."""

import random
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace

import torch

from conceptlab.core.samples import Sample
from conceptlab.verify.guard import restored
from conceptlab.verify.report import Result
from conceptlab.verify.reproduction import explain
from conceptlab.verify.suite import Check
from conceptlab.verify.tally import Failure, Tally, Watcher, watched_by
from conceptlab.verify.target import Target

EXPLAINING = -1
"""The number under which the search for the smallest failing input is announced: it, too, may hang or crash."""

FEW = 30
"""The samples of a check that a quick run takes at most."""

Announce = Callable[[int, Sample], None]


@dataclass
class _Choosing(Watcher):
    """Numbers the samples of a check, runs those that are chosen, and announces each.

    Attributes:
        chosen: their numbers; all, if None.
        skip: numbers that are not run in any case.
        announce: called before each that is run.
        count: how many there were.
    """

    chosen: Collection[int] | None = None
    skip: Collection[int] = ()
    announce: Announce | None = None
    count: int = 0

    def starts(self, sample: Sample) -> bool:
        number, self.count = self.count, self.count + 1
        if number in self.skip or (self.chosen is not None and number not in self.chosen):
            return False
        if self.announce is not None:
            self.announce(number, sample)
        return True


def result_of(
    check: Check, target: Target, *, quick: bool = False, skip: Collection[int] = (), announce: Announce | None = None
) -> Result:
    """Run a check; whatever it raises is a failure. The smallest input and the likeliest cause are looked for.

    Args:
        check: the check.
        target: what it is about.
        quick: run at most `FEW` samples, drawn from all alike, the same in every run.
        skip: numbers of samples that are not to be run.
        announce: called with number and sample before each sample.
    """
    chosen, notes = None, []
    if quick:
        counting = _Choosing(chosen=())
        _tally(check, target, counting)
        if counting.count > FEW:
            chosen = frozenset(random.Random(0).sample(range(counting.count), FEW))
            notes.append(f"{FEW} of {counting.count} samples, drawn")
    tally = _tally(check, target, _Choosing(chosen, skip, announce))
    result = replace(Result.of(name_of(check), says(check), tally), notes=tuple(notes))
    if not tally.failures or EXPLAINING in skip:
        return result
    if announce is not None:
        announce(EXPLAINING, Sample("the smallest input that fails"))
    with restored():
        return replace(result, **asdict(explain(check, target, tally.failures)))


def _tally(check: Check, target: Target, watcher: Watcher) -> Tally:
    # PyTorch draws its samples from the global generator
    with torch.random.fork_rng(devices=[]), watched_by(watcher):
        torch.manual_seed(0)
        try:
            return check(target)
        except Exception as error:
            return Tally(failures=[Failure(Sample("outside of the samples"), error)])


def name_of(check: Check) -> str:
    """A check's name."""
    return check.__name__


def says(check: Check) -> str:
    """The sentence that says what a check means."""
    return (check.__doc__ or "").strip().splitlines()[0]
