"""What `first_difference` returns."""

from dataclasses import dataclass
from typing import Literal

Phase = Literal["forward", "backward"]

SHOWN = 12
"""So many comparisons are printed, the last ones."""


@dataclass(frozen=True)
class Row:
    """One comparison of what the code of one module has made.

    Attributes:
        phase: forward or backward.
        name: the qualified name of the module whose code is judged; empty for the root.
        call: which of its calls, from 1; 0 for a parameter's gradient, which is that of all calls together.
        what: what it made: ``output``, ``buffer running_mean``, ``input gradient``, ``gradient of weight`` …
        difference: the largest one, as a share of the largest magnitude; with the error ratio, the root mean square of
            the second model's error, as a share of the exact tensor's. Infinite where no number can be compared.
        bound: the largest difference that would count as none.
        agrees: whether it counts as none.
        detail: what else there is to say.
    """

    phase: Phase
    name: str
    call: int
    what: str
    difference: float
    bound: float
    agrees: bool
    detail: str = ""

    @property
    def place(self) -> str:
        """The module, with the number of its call from the second on."""
        return (self.name or "(the root)") + (f" (call {self.call})" if self.call > 1 else "")


@dataclass(frozen=True)
class FirstDifference:
    """Where two models part; ``print`` it.

    Attributes:
        name: the qualified name of the module at fault, empty for the root; None if the models agree.
        phase: ``"forward"`` or ``"backward"``; None if they agree.
        what: what differs there, as in `Row`.
        call: in which call of the module.
        difference: how much, as in `Row`; 0 if they agree.
        bound: how much would have been allowed.
        classes: the module's class in each model.
        rows: the comparisons up to there, in the order of execution; the last one is the one that differs.
        state: the parameters and buffers that differed before anything ran, each with its difference.
        notes: what a reader of the result should know.
    """

    name: str | None
    phase: Phase | None
    what: str | None
    call: int
    difference: float
    bound: float
    classes: tuple[str, str] | None
    rows: tuple[Row, ...]
    state: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether no difference was found."""
        return self.phase is None

    def __str__(self) -> str:
        lines = [*_table(self.rows), self.sentence]
        if self.state:
            names = ", ".join(f"{name} ({size:.1e})" for name, size in self.state[:4])
            more = f" and {len(self.state) - 4} more" if len(self.state) > 4 else ""
            lines.append(f"Before anything ran, they differed in {names}{more}.")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    @property
    def sentence(self) -> str:
        """Where, what, how large, and which class each model has there."""
        if self.phase is None or self.classes is None:
            largest = max((row.difference for row in self.rows), default=0.0)
            return f"No difference in {len(self.rows)} comparisons; the largest is {largest:.1e}."
        row, (a, b) = self.rows[-1], self.classes
        size = f"by {row.difference:.1e}, with {row.bound:.1e} allowed" if row.difference < float("inf") else "in kind"
        detail = f" ({row.detail})" if row.detail else ""
        return f"They part {self.phase} at {row.place}: its {row.what} differs {size}{detail}. a: {a}, b: {b}."


def _table(rows: tuple[Row, ...]) -> list[str]:
    """The last rows, in columns; those before them in one line."""
    earlier, shown = rows[:-SHOWN], rows[-SHOWN:]
    lines = []
    if earlier:
        largest = max(row.difference for row in earlier)
        lines.append(f"{len(earlier)} comparisons before these agree; the largest difference is {largest:.1e}.")
    cells = [("phase", "module", "what", "difference", "bound", "")]
    cells += [
        (r.phase, r.place, r.what, f"{r.difference:.1e}", f"{r.bound:.1e}", "" if r.agrees else "<- differs")
        for r in shown
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells if shown else []:
        aligned = [c.rjust(w) if n in (3, 4) else c.ljust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(aligned).rstrip())
    return lines
