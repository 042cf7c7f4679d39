"""What a call leaves behind, outside of its own arguments."""

from contextlib import suppress
from functools import partial
from typing import Any

import torch

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import SEED, gradients, run
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.guard import Changes, restored
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target

DRAWS = "torch's random numbers"


def global_state(target: Target) -> Tally:
    """It leaves torch's global settings as they were, and draws no random numbers where torch draws none."""

    def compare(sample: Sample, training: bool) -> None:
        theirs = of_torch(lambda: _changes(target, sample, training, of_torch=True))
        try:
            ours = _changes(target, sample, training)
        except Exception as error:
            raise NotApplicable("it raises an exception, which other checks report") from error
        # what torch's own changes for the same call is no defect
        changed = [
            f"{name}: expected {_short(before)}, received {_short(after)}"
            for name, (before, after) in ours.items()
            if name not in theirs
        ]
        if changed:
            raise Mismatch("after the call " + "; ".join(changed))

    modes = (True, False) if target.kind == "layer" else (True,)
    tallies = [each(target.samples(training=mode), partial(compare, training=mode)) for mode in modes]
    return sum(tallies, Tally())


def _changes(target: Target, sample: Sample, training: bool, *, of_torch: bool = False) -> Changes:
    """What one use changes: built, where it is a class; forward; backward.

    An exception passes, but not where a setting was changed before: that is told.
    """
    raised: Exception | None = None
    with restored() as changes:
        try:
            _use(target, sample, training, of_torch)
        except Exception as error:
            raised = error
        after = torch.get_rng_state()
    if raised is not None and not changes:
        raise raised
    if raised is None and not torch.equal(after, torch.Generator().manual_seed(SEED).get_state()):
        changes[DRAWS] = "none drawn", "some drawn, or a new seed"
    return changes


def _use(target: Target, sample: Sample, training: bool, of_torch: bool) -> None:
    call: Any = target.builtin if of_torch else target.implementation
    parameters: list = []
    if isinstance(call, type):
        call = target.built(sample, of_torch=of_torch).train(training)
        parameters = [p for p in call.parameters() if p.requires_grad]
    outcome = run(call, sample.args, sample.kwargs)
    outcome.leaves.extend(parameters)
    with suppress(*REFUSALS):
        gradients(outcome)


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) <= 60 else f"{words[:60]}…"
