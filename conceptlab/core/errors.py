"""How conceptlab words its errors: where, what was expected, what was received, what to do."""

import difflib
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor


def message(where: str, *, expected: str, received: str, remedy: str) -> str:
    """One error text in four parts.

    >>> message("Conv2d(tier=…)", expected="a tier of Conv2d", received="'fast'", remedy="Use 'naive' or 'handmade'.")
    "Conv2d(tier=…): expected a tier of Conv2d, received 'fast'. Use 'naive' or 'handmade'."
    """
    return f"{where}: expected {expected}, received {received}. {remedy}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing sentence: the nearest known name, or else all of them.

    >>> did_you_mean("con2d", ["conv2d", "linear"])
    "Did you mean 'conv2d'?"
    >>> did_you_mean("zebra", ["conv2d", "linear"])
    'Known: conv2d, linear.'
    """
    known = sorted(known)
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name, known, n=1)
    near = near or [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=1)]
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def warn(text: str, stacklevel: int) -> None:
    """``warnings.warn``, whose call would end a compiler's graph: compiled code says nothing.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True, action="always") as said:
    ...     warn("dim is missing", stacklevel=2)
    >>> said[0].message
    UserWarning('dim is missing')
    """
    if not torch.compiler.is_compiling():
        warnings.warn(text, stacklevel=stacklevel + 1)


def require_floating(where: str, input: Tensor) -> None:
    """Refuse an integer or boolean tensor, which torch refuses too, where arithmetic would silently promote it.

    Raises:
        NotImplementedError: the tensor is neither floating nor complex.
    """
    if not (input.is_floating_point() or input.is_complex()):
        raise NotImplementedError(
            message(
                f"{where} not implemented for '{input.dtype}'",
                expected="a floating-point tensor",
                received=str(input.dtype),
                remedy="Convert it, for instance with input.float().",
            )
        )


def require_real(where: str, input: Tensor) -> None:
    """Refuse a complex tensor, whose derivative would ask for a rule of its own.

    Raises:
        NotImplementedError: the tensor is complex.
    """
    if input.is_complex():
        raise NotImplementedError(
            message(
                f"{where} by hand",
                expected="real numbers",
                received=str(input.dtype),
                remedy="Use the tier 'builtin' for complex ones, where torch has them.",
            )
        )
