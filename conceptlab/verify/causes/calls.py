"""Patterns of errors, of writing where nobody asked for it, of special inputs, and of settings."""

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Sample
from conceptlab.verify.causes.evidence import Evidence, arguments, default_of, same, settings_of, tensors, values

KINKS = (0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.5, -0.5)

ERRORS = (
    (r"modified by an inplace operation", "what backward needs was saved, and then overwritten in place"),
    (r"must override the setup_context", "an autograd.Function with forward(ctx, …): torch.func needs setup_context"),
    (
        r"(forward|custom) mode AD|custom jvp|jvp",
        "an autograd.Function without what forward mode or the compiler needs",
    ),
    (r"vmap", "an operation that torch.vmap has no rule for, or an autograd.Function without generate_vmap_rule"),
    (r"is_contiguous|data-dependent|\.item\(\)", "it asks for a tensor's values or layout where there are none"),
    (r"device", "a tensor is made on the default device rather than on the input's"),
)


def telling_error(seen: Evidence) -> str | None:
    """Errors of autograd and of torch.func whose text tells the cause."""
    if isinstance(seen.error, AssertionError):
        return None
    return next((says for pattern, says in ERRORS if re.search(pattern, str(seen.error))), None)


def only_empty(seen: Evidence) -> str | None:
    """Only samples without a single value fail."""
    if all(_is_empty(sample) for sample in seen.failing) and any(not _is_empty(sample) for sample in seen.passing):
        return "wrong only for an empty batch: nothing is left to stack, to divide by, or to take the maximum of"
    return None


def _is_empty(sample: Sample) -> bool:
    return any(t.numel() == 0 for t in tensors(sample)[:1])


def overwritten(seen: Evidence) -> str | None:
    """The input is written to, or what was saved of it."""
    if isinstance(seen.ours, Exception) or isinstance(seen.theirs, Exception):
        return None
    inplace = bool(seen.settings.get("inplace", False))
    if not inplace and not same(arguments(seen.ours), arguments(seen.theirs)):
        first = next((a for a in seen.theirs.arguments[0] if isinstance(a, Tensor)), None)
        ours = next((a for a in seen.ours.arguments[0] if isinstance(a, Tensor)), None)
        if not same(_plain(ours), _plain(first)):
            return "the input is overwritten: the function works in place where nobody asked it to"
    if inplace and not same(arguments(seen.ours), arguments(seen.theirs)):
        return "inplace=True leaves the input as it was"
    out = _with_setting(seen, "inplace", False)
    if inplace and seen.value_right and not seen.gradient_right and out is not None and seen.passes(out):
        return "what backward needs was saved, and then overwritten in place: wrong only for inplace=True"
    return None


def _plain(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach()


def _with_setting(seen: Evidence, name: str, value: Any) -> Sample | None:
    sample = seen.sample
    if seen.target.part.is_class:
        return replace(sample, init_kwargs={**sample.init_kwargs, name: value}) if name in sample.init_kwargs else None
    if name in sample.kwargs:
        return replace(sample, kwargs={**sample.kwargs, name: value})
    places = list(settings_of(seen.target, replace(sample, args=tuple(range(len(sample.args))), kwargs={})))
    if name not in places:
        return None
    at = places.index(name)
    return replace(sample, args=(*sample.args[:at], value, *sample.args[at + 1 :]))


def special_inputs(seen: Evidence) -> str | None:
    """Right as soon as NaN, infinities, equal elements or kinks are gone from the input."""
    numbers = [t.detach() for t in tensors(seen.sample) if t.is_floating_point() and t.numel()]
    if not numbers or seen.passes(seen.sample):
        return None
    flat, changed = torch.cat([t.flatten() for t in numbers]), seen.sample
    at_kink = (flat[:, None] == torch.tensor(KINKS, dtype=flat.dtype)).any()
    for there, change, says in (
        (flat.isnan().any(), _without_nan, "right but for NaN: a comparison with NaN is false"),
        (flat.isinf().any(), _without_infinity, "right but for infinities: 0 · inf and inf − inf are NaN"),
        # ties stay ties when all is moved by one amount, but a kink is left
        (at_kink, _aside, "right but at a kink: at the very point torch takes the other side"),
        (flat.unique().numel() < len(flat), _apart, "right but for ties: among equal elements torch takes the first"),
    ):
        if there:
            changed = replace(seen, sample=changed).changed(change)
            if seen.passes(changed):
                return says
    return None


def _without_nan(t: Tensor) -> Tensor:
    return torch.where(t.isnan(), 0.3, t)


def _without_infinity(t: Tensor) -> Tensor:
    return t.clamp(-9, 9)


def _aside(t: Tensor) -> Tensor:
    return t + 1e-3


def _apart(t: Tensor) -> Tensor:
    """Equal elements a little apart, whatever lies beside what."""
    noise = torch.rand(t.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return t + 1e-3 * noise.to(t.dtype)


def another_call(seen: Evidence) -> str | None:
    """The result is torch's for other arguments."""
    if isinstance(seen.ours, Exception) or seen.value_right:
        return None
    for says, sample in _other_calls(seen):
        expected = seen.asked(values, True, sample)
        # the same result with the same arguments would tell nothing
        if same(values(seen.ours), expected) and not same(seen.asked(values, True), expected):
            return says
    return None


def _other_calls(seen: Evidence) -> Iterator[tuple[str, Sample]]:
    args, settings = seen.sample.args, seen.settings
    if len(args) > 1 and all(isinstance(a, Tensor) for a in args[:2]):
        yield "the first two arguments are swapped", replace(seen.sample, args=(args[1], args[0], *args[2:]))
    for name, value in settings.items():
        others: list[tuple[str, Any]] = []
        if name in ("dim", "axis", "start_dim") and isinstance(value, int):
            rank = tensors(seen.sample)[0].dim()
            others = [(f"wrong axis: it is {name}={d} that is computed", d) for d in range(rank)]
        elif isinstance(value, (tuple, list)) and len(value) > 1 and all(isinstance(v, int) for v in value):
            if len(value) % 2 == 0:
                pairs = [v for a, b in zip(value[::2], value[1::2], strict=True) for v in (b, a)]
                others.append((f"the two sides of each axis are swapped in {name}", type(value)(pairs)))
            others.append((f"the order of the axes is swapped in {name}", type(value)(value[::-1])))
        for says, other in others:
            changed = _with_setting(seen, name, other)
            if changed is not None:
                yield says, changed


def only_with_setting(seen: Evidence) -> str | None:
    """All that fails has an argument away from its default, and little that passes has."""
    found: list[tuple[float, str]] = []
    failing = [settings_of(seen.target, sample) for sample in seen.failing]
    passing = [settings_of(seen.target, sample) for sample in seen.passing]
    if not passing:
        return None
    for name in seen.settings:
        default = default_of(seen.target, name)
        if (
            name == "inplace"
            or default is inspect.Parameter.empty
            or not all(_differs(s.get(name, default), default) for s in failing)
        ):
            continue
        share = sum(_differs(s.get(name, default), default) for s in passing) / len(passing)
        if share < 0.5:
            found.append((share, f"wrong only where {name} is not {default!r}: {name} is not, or not everywhere, used"))
    return min(found)[1] if found else None


def _differs(value: Any, default: Any) -> bool:
    values = value if isinstance(value, (tuple, list)) else (value,)
    return any(v != default for v in values) and not isinstance(value, Tensor)


def large_inputs(seen: Evidence) -> str | None:
    """inf or NaN where torch's result is finite, and only for large inputs."""
    if not tensors(seen.sample) or not tensors(seen.sample)[0].is_floating_point():
        return None
    if not tensors(seen.sample)[0].numel():
        return None
    small = seen.changed(lambda t: _tame(t) / _tame(t).abs().max().clamp_min(1), first_only=True)
    if not seen.passes(small):
        return None
    for factor, shift in ((1, 0), (100, 0), (1, 10), (1, 100), (1, 1000)):
        large = seen.changed(partial(_enlarged, factor, shift), first_only=True)
        ours, theirs = (seen.asked(values, of_torch, large) for of_torch in (False, True))
        if not _finite(theirs) or _finite(ours):
            continue
        # differences of 1000 underflow; for numbers that all are near 1000 only an unshifted exponential fails
        moved = replace(seen, sample=small).changed(lambda t: t + 1000, first_only=True)
        if not _finite(seen.asked(values, False, moved)):
            return "overflow for large inputs: an exponential is taken without subtracting the maximum first"
        return (
            "underflow: what is tiny becomes 0 and its logarithm infinite; take the logarithm of the softmax at once, "
            "x − max − log Σ exp(x − max)"
        )
    return None


def _enlarged(factor: int, shift: int, t: Tensor) -> Tensor:
    return _tame(t) * factor + shift


def _tame(t: Tensor) -> Tensor:
    """Without NaN and infinities."""
    return t.nan_to_num(0, 9, -9)


def _finite(value: Any) -> bool:
    numbers = [value] if isinstance(value, Tensor) else list(value) if isinstance(value, (tuple, list)) else []
    return bool(numbers) and all(bool(v.isfinite().all()) for v in numbers if isinstance(v, Tensor))


def cancellation(seen: Evidence) -> str | None:
    """Right until the input is shifted, where the digits that are left are wrong."""
    if not tensors(seen.sample) or not tensors(seen.sample)[0].is_floating_point():
        return None
    worse = [_worse(seen, shift) for shift in (0.0, 1000.0)]
    if worse[0] < 10 and worse[1] > 100:
        return "cancellation: right until the input is shifted, as E[x²] − E[x]² is; subtract the mean before squaring"
    return None


def _worse(seen: Evidence, shift: float) -> float:
    """How many times torch's error in float32 is ours, for a shifted input."""
    sample = seen.changed(lambda t: (t + shift).to(torch.float32).to(torch.float64), first_only=True)
    results = []
    for of_torch, dtype in ((True, torch.float64), (True, torch.float32), (False, torch.float32)):
        try:
            value = values(seen.outcome(of_torch, sample, dtype=dtype))
        except Exception:
            return math.nan
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.numel() == 0:
            return math.nan
        results.append(value.to(torch.float64))
    exact, theirs, ours = results
    least = torch.finfo(torch.float32).eps * exact.abs().max()
    return (((ours - exact).abs().max()) / (theirs - exact).abs().max().clamp_min(least)).item()
