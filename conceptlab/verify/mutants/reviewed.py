"""The list of what has been looked at: mutants that change no result, and code that chooses nothing but a speed."""

import ast
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conceptlab.core import message
from conceptlab.verify.mutants.edits import Mutant

FILE = Path(__file__).parent / "equivalent.toml"
SHARE = 0.05
"""How many of the mutants may be equivalent."""


@dataclass(frozen=True)
class Reviewed:
    """What `equivalent.toml` says.

    Attributes:
        speed: by file, or for all under ``everywhere``: expressions that choose a speed, and why that is all.
        equivalent: by file: keys of mutants, and why they change nothing.
    """

    speed: Mapping[str, Mapping[str, str]]
    equivalent: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, path: Path = FILE) -> "Reviewed":
        """From the file."""
        content = tomllib.loads(path.read_text())
        return cls(content.get("speed", {}), content.get("equivalent", {}))

    def speed_of(self, file: str) -> frozenset[str]:
        """The expressions of a file that are left alone."""
        return frozenset({**self.speed.get("everywhere", {}), **self.speed.get(file, {})})

    def check(self, file: str, source: str, mutants: Iterable[Mutant]) -> None:
        """Check that all that is said of a file is about something that is there.

        Raises:
            ValueError: an entry is stale.
        """
        keys = {mutant.key for mutant in mutants}
        written = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr | ast.stmt)}
        stale = [key for key in self.equivalent.get(file, {}) if key not in keys]
        stale += [text for text in self.speed.get(file, {}) if text not in written]
        if stale:
            raise ValueError(_stale(file, stale, "a mutant, or an expression, that exists"))

    def check_files(self, files: Iterable[str]) -> None:
        """Check that the files exist.

        Raises:
            ValueError: an entry is about none of them.
        """
        stale = {*self.speed, *self.equivalent} - {"everywhere", *files}
        if stale:
            raise ValueError(_stale(FILE.name, sorted(stale), "files of a tier"))


def _stale(where: str, stale: list[str], expected: str) -> str:
    return message(
        f"{FILE.name}, of {where}",
        expected=expected,
        received="; ".join(stale),
        remedy="Take the entry out, or give it the mutant's new name.",
    )
