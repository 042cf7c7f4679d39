"""What a swap is asked for: a parts setting, limited to some names, which keeps account of what it met."""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from conceptlab.core import Choice, Parts, message, registry
from conceptlab.swapping.report import SwapReport

Only = str | Iterable[str] | Callable[[str], bool]
"""An fnmatch pattern on qualified names, several of them, or a function of the name."""


class Refused(Exception):  # noqa: N818
    """This one has to stay as it is. The text says why."""


class Wanted:
    """A parts setting and the names it is meant for."""

    def __init__(self, parts: Parts, only: Only | None = None) -> None:
        self.parts = parts
        self._only = only if callable(only) else None
        patterns = (only,) if isinstance(only, str) else () if only is None or callable(only) else tuple(only)
        self._patterns: tuple[str, ...] | None = None if only is None or callable(only) else patterns
        self._met: set[str] = set()

    def selects(self, names: Iterable[str]) -> bool:
        """Whether one of a module's names is meant; those inside a compiled model count without ``_orig_mod``."""
        names = [name.replace("_orig_mod.", "") for name in names]
        if self._only is not None:
            return any(self._only(name) for name in names)
        if self._patterns is None:
            return True
        met = {pattern for pattern in self._patterns if any(fnmatchcase(name, pattern) for name in names)}
        self._met |= met
        return bool(met)

    def choice(self, part: str) -> Choice | None:
        """What the setting says of a part that was found."""
        choice = self.parts[part]
        if choice is not None:
            self._met.add(choice.key)
        return choice

    def meet_functions(self) -> None:
        """Count the keys of functions as met: which of them a forward calls cannot be told beforehand."""
        choices = (self.parts[part.name] for part in registry.parts.values() if not part.is_class)
        self._met |= {choice.key for choice in choices if choice is not None}

    def unmet(self) -> list[str]:
        """The keys of the setting, and the patterns of ``only``, that nothing answered to."""
        return [*self._unmet_keys(), *(f"only={p!r}" for p in self._patterns or () if p not in self._met)]

    def _unmet_keys(self) -> Iterator[str]:
        for key in self.parts.setting:
            if key not in self._met:
                yield f"parts.{key}"


def be_strict(report: SwapReport, wanted: Wanted) -> None:
    """Make an error of everything that was skipped, and of every key that matched nothing."""
    unmet = wanted.unmet()
    if not report.skipped and not unmet:
        return
    skipped = [f"{entry.name or '(the root)'} ({entry.part}: {entry.reason})" for entry in report.skipped]
    nothing = [f"{key} (matched nothing)" for key in unmet]
    raise ValueError(
        message(
            "swap(strict=True)",
            expected="everything that the setting speaks of to be there and to be swapped",
            received="; ".join(skipped + nothing),
            remedy="Take these out of the setting, or swap without strict. The target is as it was.",
        )
    )
