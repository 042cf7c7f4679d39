"""What became of each mutant: the file of a run, whole at any time, and the table."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.table import Column, Table

from conceptlab.core import message
from conceptlab.core.files import write_json
from conceptlab.verify.mutants.edits import Mutant
from conceptlab.verify.mutants.running import Verdict

STATUSES = ("killed", "survived", "equivalent", "not viable")


class Verdicts:
    """Those of a run so far, kept in a JSON file after each mutant.

    Args:
        path: the file; None keeps them in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._all: dict[Mutant, Verdict] = {}

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, mutant: Mutant) -> bool:
        return mutant in self._all

    def resume(self, mutants: Iterable[Mutant]) -> None:
        """Take over what the file says of these mutants. What survived is run again.

        Raises:
            SystemExit: there is no such file, or it is none of ours.
        """
        if self.path is None:
            raise _wrong("--json FILE with it, the file to go on from", "no such option")
        try:
            plain = json.loads(self.path.read_text(encoding="utf-8"))
            found = {(one["file"], one["key"]): one for one in plain if one["status"] != "survived"}
        except OSError as error:
            raise _wrong("a file that can be read", f"{self.path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise _wrong("a file that --json wrote", str(self.path)) from error
        for mutant in mutants:
            if one := found.get((mutant.file, mutant.key)):
                self._all[mutant] = Verdict(mutant, one["status"], one["by"], one["seconds"])

    def add(self, verdict: Verdict) -> None:
        """Keep it. The file has it when this returns."""
        self._all[verdict.mutant] = verdict
        if self.path:
            write_json(self.path, [_plain(one) for one in self])

    def count(self, status: str) -> int:
        """How many came to that."""
        return sum(verdict.status == status for verdict in self)

    @property
    def share(self) -> float:
        """How many of those that can be imported are equivalent."""
        return self.count("equivalent") / max(1, len(self) - self.count("not viable"))

    def table(self) -> Table:
        """A row a file."""
        table = Table(Column("file", overflow="fold"), *STATUSES, "seconds")
        counts: Counter[tuple[str, str]] = Counter((verdict.mutant.file, verdict.status) for verdict in self)
        seconds: dict[str, float] = {}
        for verdict in self:
            seconds[verdict.mutant.file] = seconds.get(verdict.mutant.file, 0) + verdict.seconds
        for file, took in seconds.items():
            table.add_row(file, *(str(counts[file, status]) for status in STATUSES), f"{took:.0f}")
        table.add_row("all", *(str(self.count(status)) for status in STATUSES), f"{sum(seconds.values()):.0f}")
        return table


def _plain(verdict: Verdict) -> dict:
    mutant = verdict.mutant
    return {
        "mutant": str(mutant),
        "file": mutant.file,
        "key": mutant.key,
        "status": verdict.status,
        "by": verdict.by,
        "seconds": round(verdict.seconds, 2),
    }


def _wrong(expected: str, received: str) -> SystemExit:
    return SystemExit(message("--resume", expected=expected, received=received, remedy="Leave the option out."))
