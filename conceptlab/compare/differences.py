r"""When two training runs count as the same.

Two runs that start from the same weights, see the same batches and draw the same masks compute the same numbers, but
for rounding: two programs that add the same terms in another order differ in the last digit. Training then *amplifies*
that difference, step by step, whatever its cause, so that "how far apart are they at the end?" says little. Judged is
how the difference begins and how it grows. With

$$d_t = \frac{|a_t - b_t|}{\max(|a_t|, |b_t|)}, \qquad D_t = \max_{s \le t} d_s$$

for the loss and for the norm of the gradient at each step $t$, and $\varepsilon$ the unit roundoff of the precision
that the runs computed in, they are

- **exactly equal**, if $d_t = 0$ throughout and all final metrics are equal;
- **equal to rounding**, if $D_t \le 64\,\varepsilon + 16\,Y_t$ at every step, where $Y_t$ is the same measure for the
  *yardstick*: the reference itself, trained once more after each of its first weights was moved to a neighbouring
  floating-point number. It shows what one rounding does to this very experiment. Judged as far as the yardstick goes.
  Without a yardstick, $D_t \le 64\,\varepsilon\,2^t$: a difference that starts as a rounding, and at most doubles from
  step to step. That is the weaker test: it can see a mistake only in the first steps, and the report says so;
- **different**, otherwise.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

START = 64
"""Roundings allowed at the first step."""

GROWTH = 16
"""How many times the yardstick's difference is allowed later."""

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
        judged_steps: how many steps the judgement rests on.
        differences: loss and norm of the gradient.
    """

    kind: Kind
    reason: str
    judged_steps: int
    differences: Mapping[str, Difference]

    def plain(self) -> dict[str, Any]:
        """As plain numbers and strings, for the JSON file."""
        return asdict(self)


def allowed(eps: float, steps: int, yardstick: np.ndarray | None) -> np.ndarray:
    """The largest difference so far that rounding explains, for each step from 0 on."""
    if yardstick is None:
        return START * eps * np.exp2(np.minimum(np.arange(steps), 1000.0))
    return START * eps + GROWTH * np.maximum.accumulate(yardstick)[:steps]


def judge(
    relative: Mapping[str, np.ndarray],
    steps: np.ndarray,
    *,
    eps: float,
    same_metrics: bool,
    yardstick: Mapping[str, np.ndarray] | None = None,
) -> Verdict:
    """The verdict on two runs, from the relative differences of their loss and of their gradient's norm.

    ``steps`` are the steps' numbers, ``yardstick`` the relative differences between the yardstick and the reference
    from the first step on, over no more steps than it has.
    """
    differences = {name: Difference.of(values, steps) for name, values in relative.items()}
    judged = len(steps) if yardstick is None else min(len(steps), *(len(y) for y in yardstick.values()))
    if all(difference.largest == 0 for difference in differences.values()):
        if same_metrics:
            return Verdict("exact", "every logged number is equal, to the last bit", len(steps), differences)
        reason = "training is equal to the last bit, but the final metrics are not: evaluation differs"
        return Verdict("different", reason, len(steps), differences)
    for name, values in relative.items():
        limit = allowed(eps, judged, None if yardstick is None else yardstick[name])
        beyond = np.flatnonzero(np.maximum.accumulate(values[:judged]) > limit)
        if len(beyond):
            at = int(beyond[0])
            reason = (
                f"the {LABEL[name]} differs by {values[at]:.1e} at step {steps[at]}; rounding explains {limit[at]:.1e}"
            )
            return Verdict("different", reason, judged, differences)
    by = "as a rounding of the weights does" if yardstick is not None else "at most doubling from step to step"
    return Verdict("rounding", f"the difference starts as a rounding and grows {by}", judged, differences)


LABEL = {"loss": "loss", "grad_norm": "norm of the gradient"}
"""The quantities in words."""
