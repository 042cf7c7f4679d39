"""Running one check: each time on the same samples, all of them or a draw, with somebody watching."""

import random
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace

import torch

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import reseed
from conceptlab.verify.elsewhere import on_cpu
from conceptlab.verify.guard import restored
from conceptlab.verify.report import Result
from conceptlab.verify.reproduction import explain, head
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
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()  # what a kernel asserts comes up here, and not some samples later
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
    if tally.failures and target.device != "cpu" and target.kind in ("function", "layer"):
        tally = _without_torchs_own(check, target, tally, chosen, skip)
    result = replace(Result.of(name_of(check), says(check), tally), notes=tuple(notes))
    if not tally.failures or EXPLAINING in skip:
        return result
    if announce is not None:
        announce(EXPLAINING, Sample("the smallest input that fails"))
    with restored():
        return replace(result, **asdict(explain(check, target, tally.failures)))


def _tally(check: Check, target: Target, watcher: Watcher) -> Tally:
    # PyTorch draws its samples from the global generator
    devices = [] if target.device == "cpu" else [target.device]
    with torch.random.fork_rng(devices), watched_by(watcher), _one_float32():
        reseed(0)
        try:
            return check(target)
        except Exception as error:
            return Tally(failures=[Failure(Sample("outside of the samples"), error)])


def _without_torchs_own(
    check: Check, target: Target, tally: Tally, chosen: Collection[int] | None, skip: Collection[int]
) -> Tally:
    """Leave out where torch's own on a CPU fails in the same place: there the device's kernels are another thing."""
    # a function of a tier is asked more than somebody's own is; a layer of a tier would be built with one
    tier = target.tier if target.kind == "function" else None
    host = replace(target, implementation=on_cpu(target.builtin), tier=tier)
    theirs = {(f.sample.name, head(f.error)) for f in _tally(check, host, _Choosing(chosen, skip)).failures}
    kept = [f for f in tally.failures if (f.sample.name, head(f.error)) not in theirs]
    left_out = tally.left_out.copy()
    if len(kept) < len(tally.failures):
        reason = f"on {target.device} torch's own is not what it is on a CPU"
        left_out[reason] += len(tally.failures) - len(kept)
    return Tally(tally.passed, left_out, kept)


def _one_float32() -> AbstractContextManager[None]:
    """One precision for both sides: TF32, which cuDNN's convolutions use by default, would be torch's alone."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def name_of(check: Check) -> str:
    """A check's name."""
    return check.__name__


def says(check: Check) -> str:
    """The sentence that says what a check means."""
    return (check.__doc__ or "").strip().splitlines()[0]
