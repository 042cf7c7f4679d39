"""Measuring cases: the gate, then time and memory of a tier as multiples of torch's own."""

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch._dynamo.exc import Unsupported

from conceptlab.bench.contest import SEED, Contestant, contestant
from conceptlab.bench.stopwatch import interleaved
from conceptlab.core import Part, did_you_mean, message, registry
from conceptlab.core.samples import Case
from conceptlab.verify import verify
from conceptlab.verify.closeness import check_same
from conceptlab.verify.memory import peak_bytes, saved_bytes
from conceptlab.verify.target import tier_of


@dataclass(frozen=True)
class Row:
    """A tier's figures on one case. The ratios are to torch's own: below 1 is better.

    Attributes:
        part: the part's name.
        network: whose shapes these are.
        shapes: the shapes of the inputs.
        forward: ratio of the times of a forward pass.
        both: ratio of the times of forward and backward; None where there is nothing to differentiate.
        seconds: the tier's time, with backward where there is one.
        builtin_seconds: torch's.
        memory: ratio of the peaks of memory.
        saved: ratio of what is kept for backward; None where torch keeps nothing.
        compiled: ratio of the times when both are compiled; None where that was not measured.
    """

    part: str
    network: str
    shapes: str
    forward: float
    both: float | None
    seconds: float
    builtin_seconds: float
    memory: float | None
    saved: float | None
    compiled: float | None = None

    @property
    def ratio(self) -> float:
        """The one that counts: with backward where there is one."""
        return self.forward if self.both is None else self.both

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def cases(names: Iterable[str]) -> list[tuple[Part, Case]]:
    """The cases of the parts and concepts of these names; of all, if there is none.

    Raises:
        ValueError: there is no part or concept of that name.
    """
    wanted = list(names)
    known = {*registry.parts, *registry.concepts}
    for name in wanted:
        if name not in known:
            raise ValueError(
                message(
                    "bench",
                    expected="names of parts or concepts",
                    received=repr(name),
                    remedy=did_you_mean(name, known),
                )
            )
    found = []
    for concept in registry.concepts:
        own = registry.samples(concept)
        for case in getattr(own, "BENCH", ()):
            if not wanted or case.part in wanted or concept in wanted:
                found.append((registry.parts[case.part], case))
    return found


GATE = ("values", "first_derivatives", "behaviour", "trajectory")
"""The checks of which a tier has to pass those that its kind has."""


def fails(part: Part, tier: str) -> str | None:
    """The gate: what a tier gets wrong, in a few words; None where it may be measured."""
    with warnings.catch_warnings(action="ignore"):  # torch's own, about its own samples
        report = verify(tier_of(part, tier), like=part.name, only=GATE)
    return None if report.passed else report.failed[0].failures[0]


def measure(part: Part, tier: str, case: Case, *, device: str = "cpu", compiled: bool = False) -> Row:
    """Time and memory of one case.

    Raises:
        Mismatch: the tier's result is not torch's, to the precision of float32.
    """
    ours, theirs = (contestant(part, t, case, device=device) for t in (tier, "builtin"))
    if part.home != "torch.optim":
        results = []
        for contender in (ours, theirs):
            torch.manual_seed(SEED)
            results.append(contender.forward())
        check_same(results[0], results[1], f"{part.name}, {case.network}", bound=1e-3, strides=False)
    forward = interleaved([ours.forward, theirs.forward], device=device)
    both = _both(ours, theirs, device)
    memory = [peak_bytes(c.backward or c.forward, device) for c in (ours, theirs)]
    saved = [saved_bytes(c.forward) for c in (ours, theirs)]
    return Row(
        part=part.name,
        network=case.network,
        shapes=_shapes(case),
        forward=forward[0] / forward[1],
        both=both[0] / both[1] if both else None,
        seconds=(both or forward)[0],
        builtin_seconds=(both or forward)[1],
        memory=memory[0] / memory[1] if memory[1] else None,
        saved=saved[0] / saved[1] if saved[1] else None,
        compiled=_compiled(part, tier, case, device) if compiled else None,
    )


def _both(ours: Contestant, theirs: Contestant, device: str) -> list[float] | None:
    if ours.backward is None or theirs.backward is None:
        return None
    return interleaved([ours.backward, theirs.backward], device=device)


def _compiled(part: Part, tier: str, case: Case, device: str) -> float | None:
    if tier_of(part, tier).kind not in ("layer", "function"):
        return None
    torch.compiler.reset()
    try:
        theirs = contestant(part, "builtin", case, device=device, compiled=True)
    except Unsupported:
        return None  # torch refuses its own: RNN, GRU and LSTM
    ours = contestant(part, tier, case, device=device, compiled=True)
    times = _both(ours, theirs, device) or interleaved([ours.forward, theirs.forward], device=device)
    return times[0] / times[1]


def _shapes(case: Case) -> str:
    tensors = [value for value in case.inputs() if isinstance(value, torch.Tensor)]
    shown = " ".join("×".join(map(str, t.shape)) or "scalar" for t in tensors[:3])
    return shown + (f" and {len(tensors) - 3} more" if len(tensors) > 3 else "")


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean that suits ratios: of 2 and ½ it is 1."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def by_part(rows: Iterable[Row]) -> Iterator[tuple[str, float]]:
    """The geometric mean of each part over its cases."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.part, []).append(row.ratio)
    for part, ratios in groups.items():
        yield part, geometric_mean(ratios)


def number(value: float | None) -> str:
    """Two decimals, or a dash."""
    return "–" if value is None else f"{value:.2f}"
