"""A tier's functions, by name: what ``ops`` is, in a layer and in a tier's own file."""

from collections.abc import Callable
from typing import Any

from conceptlab.core.errors import did_you_mean, message


class Namespace:
    """The functions that one tier provides within one family (``nn``, ``optim`` or ``transforms``).

    There is one object for each family and tier, and copies and pickles of it are that object again: a layer that
    holds it can be copied, saved and sent to another process.
    """

    def __init__(self, family: str, tier: str) -> None:
        self.family = family
        self.tier = tier

    def __reduce__(self) -> tuple[Callable, tuple[str, str]]:
        return namespace, (self.family, self.tier)

    def __repr__(self) -> str:
        return f"<{self.family} functions, tier {self.tier}>"

    def __getattr__(self, name: str) -> Any:
        # Functions are plain attributes, which Dynamo can follow; only a missing one arrives here.
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(
            message(
                f"tier '{self.tier}'",
                expected=f"a function that it provides for {self.family}",
                received=repr(name),
                remedy=did_you_mean(name, self.functions()),
            )
        )

    def functions(self) -> dict[str, Callable]:
        """Everything the tier provides, by name."""
        return {name: value for name, value in vars(self).items() if name not in ("family", "tier")}

    def provide(self, name: str, function: Callable) -> None:
        """Add a function; a name that is taken is refused."""
        if name in vars(self):
            raise ValueError(
                message(
                    f"tier '{self.tier}' of {self.family}",
                    expected="one provider for each function",
                    received=f"a second {name!r}",
                    remedy="Give the new function another name.",
                )
            )
        setattr(self, name, function)


_namespaces: dict[tuple[str, str], Namespace] = {}


def declare(family: str, tier: str) -> Namespace:
    """The namespace of a tier, made at the first call; a tier's own file reaches its sisters through it."""
    return _namespaces.setdefault((family, tier), Namespace(family, tier))


def all_tiers(family: str) -> dict[str, Namespace]:
    """The tiers of a family that provide anything, by name."""
    return {tier: ops for (f, tier), ops in _namespaces.items() if f == family and ops.functions()}


def namespace(family: str, tier: str, needs: tuple[str, ...] = (), where: str = "tier") -> Namespace:
    """The namespace of a tier that exists and provides everything that is needed.

    Raises:
        ValueError: the tier does not exist.
        NotImplementedError: it exists and lacks one of ``needs``.
    """
    known = all_tiers(family)
    if tier not in known:
        raise ValueError(
            message(where, expected="the name of a tier", received=repr(tier), remedy=did_you_mean(str(tier), known))
        )
    missing = [name for name in needs if name not in vars(known[tier])]
    if missing:
        able = [t for t, ops in known.items() if all(name in vars(ops) for name in needs)]
        raise NotImplementedError(
            message(
                where,
                expected=f"a tier that provides {', '.join(needs)}",
                received=f"'{tier}', which lacks {', '.join(missing)}",
                remedy=f"Tiers that can: {', '.join(able)}.",
            )
        )
    return known[tier]
