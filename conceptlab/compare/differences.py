r"""When two training runs count as the same.

Two runs that start from the same weights, see the same batches and draw the same masks compute the same numbers, but
for rounding: two programs that add the same terms in another order differ in the last digit. Training then *amplifies*
that difference, whatever its cause, slowly or by leaps where a rounding turns a tie in a max-pooling or the sign at a
ReLU's kink; two runs of the very same code that start one rounding apart end as far from each other. So "how far apart
are they at the end?" is no question. Judged is how the difference begins. With

$$d_t = \frac{|a_t - b_t|}{\max(|a_t|, |b_t|)}$$

for the loss and for the norm of the gradient at each step $t$, and $\varepsilon$ the spacing of numbers at 1 in the
precision that the runs computed in, they are

- **exactly equal**, if $d_t = 0$ throughout and all final metrics are equal;
- **equal to rounding**, if $d_t \le 64\,\varepsilon\,2^t$ for the first four steps, and if each single step that was
  measured is as exact as the reference's: `conceptlab.compare.errors` holds both against float64, step by step from
  the same state, and up to 4 times the reference's error counts as rounding; the batches must be equal, too, but for
  $64\,\varepsilon$. Without measurements (`--runs` of trainings) there are only the first steps to judge by. That
  sees a wrong gradient and a wrong optimizer, and the report says that it is the weaker test;
- **different**, otherwise.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

START = 64
"""Roundings allowed at the first step."""

EARLY = 4
"""Steps that are judged by their difference; it may double from one to the next."""

ERROR_RATIO = 4
"""How many times the reference's error a variant may have."""

QUANTITIES = ("loss", "grad_norm")

Kind = Literal["exact", "rounding", "different"]


def relative_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """$|a - b| / \\max(|a|, |b|)$, element by element; 0 where both are the same number, or both NaN.

    >>> relative_difference(np.array([1.0, 0.0, np.nan, 2.0]), np.array([1.0, 0.0, np.nan, np.nan])).tolist()
    [0.0, 0.0, 0.0, inf]
    """
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    return np.where(same, 0.0, np.where(np.isfinite(relative), relative, np.inf))


@dataclass(frozen=True)
class Difference:
    """How two series of numbers, one a step, differ.

    Attributes:
        first_step: the first step at which they do; None if they never do.
        first: the relative difference there.
        start: the relative difference at the first step of all.
        largest: the largest relative difference.
        last: the relative difference at the last step.
        steps: how many steps both have.
    """

    first_step: int | None
    first: float
    start: float
    largest: float
    last: float
    steps: int

    @classmethod
    def of(cls, relative: np.ndarray, steps: np.ndarray) -> "Difference":
        """Summed up from the relative differences at ``steps``, at least one."""
        where = np.flatnonzero(relative)
        first = int(where[0]) if len(where) else None
        return cls(
            first_step=None if first is None else int(steps[first]),
            first=0.0 if first is None else float(relative[first]),
            start=float(relative[0]),
            largest=float(relative.max()),
            last=float(relative[-1]),
            steps=len(relative),
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a run is the same as another one of the same seed.

    Attributes:
        kind: exactly equal, equal to rounding, or different; see above.
        reason: what decided it, as half a sentence.
        differences: loss and norm of the gradient.
    """

    kind: Kind
    reason: str
    differences: Mapping[str, Difference]

    def plain(self) -> dict[str, Any]:
        """As plain numbers and strings, for the JSON file."""
        return asdict(self)


def judge(relative: Mapping[str, np.ndarray], steps: np.ndarray, *, eps: float, same_metrics: bool) -> Verdict:
    """The verdict by two runs' curves: the relative differences of their loss and of their gradient's norm.

    ``steps`` are the steps' numbers.
    """
    differences = {name: Difference.of(values, steps) for name, values in relative.items()}
    if all(difference.largest == 0 for difference in differences.values()):
        if same_metrics:
            return Verdict("exact", "every logged number is equal, to the last bit", differences)
        reason = "training is equal to the last bit, but the final metrics are not: evaluation differs"
        return Verdict("different", reason, differences)
    for name, values in relative.items():
        limit = START * eps * np.exp2(np.arange(min(EARLY, len(values))))
        beyond = np.flatnonzero(values[:EARLY] > limit)
        if len(beyond):
            at = int(beyond[0])
            step = f"the {LABEL[name]} differs by {values[at]:.1e} at step {steps[at]}"
            return Verdict("different", f"{step}; rounding explains {limit[at]:.1e}", differences)
    return Verdict("rounding", "it begins as a rounding", differences)


def ratios(ours: Mapping[str, float], theirs: Mapping[str, float], eps: float) -> dict[str, float]:
    """Each error as a multiple of the reference's."""
    return {quantity: ours[quantity] / max(theirs[quantity], eps) for quantity in ours if quantity in theirs}


def judge_errors(ratios: Mapping[str, float], batches_apart: float | None, eps: float) -> list[str]:
    """What in the measurements is more than rounding, in words."""
    found = []
    if batches_apart is not None and batches_apart > START * eps:
        found.append(f"the batches differ by {batches_apart:.1e} of their size")
    for name, ratio in ratios.items():
        if ratio > ERROR_RATIO:
            found.append(f"the {LABEL[name]} is {ratio:.1f} times as far from the exact one as the reference's")
    return found


LABEL = {
    "loss": "loss",
    "grad_norm": "norm of the gradient",
    "gradient": "gradient",
    "evaluation": "answer in evaluation",
    "update": "move of the weights",
}
"""The quantities in words."""
