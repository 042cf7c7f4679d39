"""The checks of a part, in each of its tiers, as parameters of a test; and which command asks which of them.

`make verify` asks everything. `make test` asks the default tier what is in `WHOLE` of all samples, and all else of a
`Draw` where there are many; of the other tiers it leaves out `OF_THE_DEFAULT`. What it leaves out is marked
``complete``. `make quick` asks the default tier a few checks.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pytest

from conceptlab.core import Part
from conceptlab.core.samples import Sample
from conceptlab.verify import BoundCheck, checks
from conceptlab.verify.tally import watched_by
from conceptlab.verify.target import tier_of

WHOLE = {
    *("signature", "values", "first_derivatives", "shifted_and_scaled", "extremes"),
    *("constructed", "behaviour", "error_inputs", "error_words", "refused", "without_values", "trajectory", "settings"),
}
OF_THE_DEFAULT = {
    *("shifted_and_scaled", "global_state", "reference", "untouched", "gradcheck", "random_stream", "law_of_the_draw"),
    *("no_graph_kept", "trajectory", "settings", "precision", "tensor_hyperparameters"),
    *("functions", "function_gradients", "pure"),
}
"""What a definition is not asked by `make test`."""

COMPILED = {"compiled": 2, "compiled_layer": 1}
"""Of those that compile each sample by itself, which takes as long as a hundred calls: how many are asked."""


@dataclass
class Draw:
    """The first ``first`` samples, and of the others one in ``step``: the same in every run."""

    first: int
    step: int
    count: int = 0

    def starts(self, sample: Sample) -> bool:
        self.count += 1
        return self.count <= self.first or self.count % self.step == 0


@dataclass(frozen=True)
class Drawn:
    """A check on a `Draw` of its samples."""

    check: BoundCheck

    def __call__(self) -> None:
        compiled = COMPILED.get(str(self.check))
        with watched_by(Draw(6, 12) if compiled is None else Draw(compiled, 100)):
            self.check()


def cases(part: Part, *, quick: Collection[str] = (), complete: Collection[str] = ()) -> Iterator:
    """The parameters: ``quick`` names the checks that `make quick` asks, ``complete`` those left to `make verify`."""
    for tier in part.tiers:
        if tier == "builtin":
            continue
        for check in checks(tier_of(part, tier), like=part.name):
            name = f"{part.name}-{tier}-{check}"
            if check.for_full_run:
                continue
            is_default = tier == "handmade"
            if str(check) in complete or (not is_default and str(check) in OF_THE_DEFAULT):
                yield pytest.param(check, id=name, marks=pytest.mark.complete)
            elif is_default and str(check) in WHOLE:
                yield pytest.param(check, id=name, marks=() if str(check) in quick else pytest.mark.slow)
            else:
                yield pytest.param(Drawn(check), id=name, marks=pytest.mark.slow)
                yield pytest.param(check, id=f"{name}-whole", marks=pytest.mark.complete)
