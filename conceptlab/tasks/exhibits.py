"""What a task has to show beside its numbers: pictures and texts, as data that the report draws.

A task gives them (`Task.exhibits`), a run keeps each in ``figures/`` of its folder, and ``conceptlab compare`` shows
them, those of the variants side by side. A text is kept as ``NAME.txt``, everything else as ``NAME.json``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

from conceptlab.core.files import write_json, write_text


@dataclass(frozen=True)
class Text:
    """Some text, such as a model has written.

    Args:
        name: of the file. The report shows the last of a run's texts, in the order of their names, and the others on
            demand.
        text: all of it.
    """

    name: str
    text: str

    def write(self, folder: Path) -> None:
        """Keep it in a folder."""
        write_text(folder / f"{self.name}.txt", self.text)


@dataclass(frozen=True)
class _Drawn:
    """What the report draws.

    Args:
        name: of the file.
        title: a few words to stand above it.
        caption: a sentence to stand below it.
    """

    name: str
    title: str
    caption: str
    kind: ClassVar[str]

    def write(self, folder: Path) -> None:
        """Keep it in a folder."""
        write_json(folder / f"{self.name}.json", {"kind": self.kind} | asdict(self))


@dataclass(frozen=True)
class Heatmap(_Drawn):
    """A table of numbers from 0 to 1, drawn as shades.

    Args:
        values: a list of rows.
        rows: the rows' names.
        columns: the columns' names.
        row_label: what the rows are.
        column_label: what the columns are.
        written: what stands in each cell; empty for nothing.
    """

    kind = "heatmap"
    values: Sequence[Sequence[float]]
    rows: Sequence[str]
    columns: Sequence[str]
    row_label: str
    column_label: str
    written: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Lines(_Drawn):
    """Lines over one axis.

    Args:
        x: where the points are.
        truth: the line that the others should be like, by its name.
        own: the run's own, by their names.
        others: what they are held against, by their names.
        x_label: what ``x`` is.
    """

    kind = "lines"
    x: Sequence[float]
    truth: dict[str, Sequence[float]]
    own: dict[str, Sequence[float]]
    others: dict[str, Sequence[float]] = field(default_factory=dict)
    x_label: str = ""


Exhibit = Text | Heatmap | Lines
