"""Telling numbers: ratios that are constant, and what they are."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from conceptlab.verify.causes.evidence import Evidence, tensors


def ratio(ours: Tensor, theirs: Tensor, within: float = 1e-7) -> float | None:
    """The ratio of two tensors where it is the same everywhere, in two elements at least."""
    if not isinstance(ours, Tensor) or ours.shape != theirs.shape or not theirs.is_floating_point():
        return None
    ours, theirs = ours.detach().flatten(), theirs.detach().flatten()
    some = theirs.abs() > 1e-6 * theirs.abs().max().nan_to_num() if theirs.numel() else theirs.bool()
    some = some & theirs.isfinite()
    if some.sum() < 2 or (ours[~some].nan_to_num().abs() > 1e-6 * theirs[some].abs().max()).any():
        return None
    each = ours[some] / theirs[some]
    middle = each.median().item()
    return middle if math.isfinite(middle) and torch.allclose(each, each.median(), rtol=within, atol=0) else None


def one(value: float, expected: float, within: float = 1e-6) -> bool:
    """Whether two numbers are one."""
    return abs(value - expected) <= within * abs(expected)


def explained(seen: Evidence, found: float, what: str, within: float = 1e-6) -> str | None:
    """What a constant ratio means, if it is a known one."""
    p = seen.settings.get("p", 0.5)
    if one(found, -1, within):
        return f"the {what} has the wrong sign"
    if "dropout" in seen.target.part.name.lower() and isinstance(p, float) and one(found, 1 - p, within):
        return f"the {what} is 1 − p = {1 - p:.6g} times torch's: what is kept is not divided by 1 − p"
    for name, count in _counts(seen):
        for says, value in (
            (f"(N − 1)/N, N = {count} ({name}): biased variance, 1/N where 1/(N − 1) is meant", (count - 1) / count),
            (f"N/(N − 1), N = {count} ({name}): unbiased variance, 1/(N − 1) where 1/N is meant", count / (count - 1)),
            (f"{name} = {count}: it is scaled by {name}, a sum where a mean is meant, or twice a sum", count),
            (
                f"1/{name} = 1/{count}: it is scaled by 1/{name}, a mean where a sum is meant, or twice a mean",
                1 / count,
            ),
        ):
            if one(found, value, within):
                return f"the {what} is torch's times {says}"
    return None


def _counts(seen: Evidence) -> Iterator[tuple[str, int]]:
    """Numbers by which something may have been divided or multiplied."""
    first = next(iter(tensors(seen.sample)), None)
    if first is None:
        return
    shape = tuple(first.shape)
    named = {"the batch size": shape[0] if shape else 1, "the number of elements": first.numel()}
    named |= {f"the size of axis {axis}": n for axis, n in enumerate(shape[1:], 1)}
    if len(shape) > 1 and shape[1]:
        named["the number of values of a channel"] = first.numel() // shape[1]
    yield from ((name, count) for name, count in named.items() if count > 1)
