"""What a swap did, and how to take it back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby


@dataclass(frozen=True)
class Swapped:
    """One exchange.

    Attributes:
        name: where it was: the module's qualified name, empty for the root; for a function that a module holds, the
            attribute's; for an optimizer or a scheduler, its class.
        part: torch's name of the part.
        before: the tier, or the class, that was there.
        after: the tier, or the import path, that is there now.
        way: how it was done.
    """

    name: str
    part: str
    before: str
    after: str
    way: str


@dataclass(frozen=True)
class Skipped:
    """Something that the setting speaks of and that was left as it is."""

    name: str
    part: str
    reason: str


@dataclass
class SwapReport:
    """What `swap` did: ``swapped``, ``skipped`` and why, ``notes``, and `undo`.

    Attributes:
        swapped: what was exchanged.
        skipped: what the setting speaks of and was left as it is.
        notes: what a reader of the result should know.
        unchanged: how many parts already were as the setting says.
    """

    swapped: list[Swapped] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unchanged: int = 0
    _to_undo: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def undo(self) -> None:
        """Put everything back as it was before this swap; a second call does nothing."""
        while self._to_undo:
            self._to_undo.pop()()

    def on_undo(self, action: Callable[[], None]) -> None:
        """Have ``action`` done by `undo`, before all that was given earlier."""
        self._to_undo.append(action)

    def __str__(self) -> str:
        if self.swapped:
            lines = [f"Swapped {len(self.swapped)}:"]
        elif self.unchanged:
            lines = [f"Nothing to swap: the setting agrees with what is there ({self.unchanged})."]
        else:
            lines = ["Nothing to swap: no part that the setting speaks of was found."]
        lines += _grouped(self.swapped, lambda s: (s.part, f"{s.before} -> {s.after}", f"({s.way})"))
        if self.skipped:
            lines.append(f"Skipped {len(self.skipped)}:")
            lines += _grouped(self.skipped, lambda s: (s.part, s.reason))
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)


def _grouped(entries: Iterable, words: Callable[..., tuple[str, ...]]) -> list[str]:
    """One line for all entries that differ only in their name."""
    lines = []
    for key, group in groupby(sorted(entries, key=words), key=words):
        names = [entry.name or "(the root)" for entry in group]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        lines.append(f"  {len(names):3d} {' '.join(key)}: {shown}")
    return lines
