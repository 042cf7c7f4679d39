"""What counts as a difference between two records, place by place."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import inf
from typing import Literal

from torch import Tensor

from conceptlab.verify.parting.distance import close, close_to_exact, largest
from conceptlab.verify.parting.record import Call, Place, Record
from conceptlab.verify.parting.result import Phase, Row

Kind = Literal["input", "output"]


class Judge:
    """Compares what a model made, ``b``, with what its leader made of the same, ``a``.

    Args:
        a: the leader's record.
        b: the follower's.
        exact: that of the leader in float64, following itself; then the rule is the error ratio.
        coarse: the roundoff of the modules, by name, that go on in a coarser dtype than they are given.
    """

    def __init__(
        self, a: Record, b: Record, exact: Record | None = None, coarse: Mapping[str, float] | None = None
    ) -> None:
        self.a, self.b, self.exact = a, b, exact
        self.coarse = coarse or {}

    def forward(self) -> Iterator[Row]:
        """A row for each place that both models came by, in the leader's order."""
        sizes = self._sizes(self.a.values, own="input", childs="output")
        for place, a in self.a.values.items():
            call, b = self._made_by(place, callers="input"), self.b.values.get(place)
            # a part of one's own may be without a buffer, and a forward without an argument; but not without a result
            if call is None or (b is None and not (place.kind == "output" and place.call in self.b.returned)):
                continue
            exact = self.exact.values[place] if self.exact else None
            yield self._row("forward", call, _value(place), a, b, exact, sizes[call])

    def graph(self) -> Iterator[Row]:
        """A row for each tensor that requires a gradient in one of the models only."""
        for place in self.a.values:
            call, has = self._made_by(place, callers="input"), self.a.has_gradient[place]
            if call is not None and self.b.has_gradient.get(place, has) != has:
                detail = f"only {'a' if has else 'b'} has a gradient there"
                yield Row("backward", *call, _value(place), inf, 0.0, False, detail)

    def backward(self) -> Iterator[Row]:
        """A row for each gradient that both models have, or ought to have, in the leader's order."""
        sizes = self._sizes(self.a.gradients, own="output", childs="input")
        of_parameters = _SizesOfParameters(self.a)
        for place, a in self.a.gradients.items():
            call, b = self._made_by(place, callers="output"), self.b.gradients.get(place)
            if call is None or (b is None and not _ought_to_be_heard(place, self.b)):
                continue
            exact = self.exact.gradients.get(place) if self.exact else None
            size = of_parameters(call.name) if place.kind == "parameter" else sizes[call]
            yield self._row("backward", call, _gradient(place), a, b, exact, size)
        for place in self.b.gradients:
            call = self._made_by(place, callers="output")
            if call is not None and place not in self.a.gradients and _ought_to_be_heard(place, self.a):
                yield Row("backward", *call, _gradient(place), inf, 0.0, False, "only b has one")

    def _row(
        self, phase: Phase, call: Call, what: str, a: Tensor, b: Tensor | None, exact: Tensor | None, size: float
    ) -> Row:
        if b is None:
            return Row(phase, *call, what, inf, 0.0, False, "only a has one")
        b = b.to(a.device)
        if exact is None:
            difference, bound, agrees, detail = close(b, a, size, self.coarse.get(call.name, 0.0))
        else:
            difference, bound, agrees, detail = close_to_exact(b, a, exact, size)
        return Row(phase, *call, what, difference, bound, agrees, detail)

    def _made_by(self, place: Place, callers: Kind) -> Call | None:
        """The call whose code made what is at a place: its own or, for places of one kind, that of its caller."""
        return self.a.caller.get(place.call) if place.kind == callers else place.call

    def _sizes(self, found: Mapping[Place, Tensor], own: Kind, childs: Kind) -> defaultdict[Call | None, float]:
        """For each call the largest number that went into its code: its own arguments, and what its children gave."""
        sizes: defaultdict[Call | None, float] = defaultdict(float)
        for place, tensor in found.items():
            if place.kind in (own, childs):
                into = place.call if place.kind == own else self.a.caller.get(place.call)
                sizes[into] = max(sizes[into], largest(tensor))
        return sizes


class _SizesOfParameters:
    """For each module, by name, what its parameters' gradients are sums of, in the root mean square."""

    def __init__(self, record: Record) -> None:
        self.squares: defaultdict[str, float] = defaultdict(float)
        self.inputs: defaultdict[str, float] = defaultdict(lambda: 1.0)
        for place, tensor in record.gradients.items():
            if place.kind == "output" and tensor.numel():
                self.squares[place.call.name] += tensor.abs().double().square().sum().item()
        for place, tensor in record.values.items():
            if place.kind == "input":
                self.inputs[place.call.name] = max(self.inputs[place.call.name], largest(tensor))

    def __call__(self, name: str) -> float:
        # a module that is never called, because its weights are used elsewhere: whose forward it is in
        while name and name not in self.squares:
            name = name.rpartition(".")[0]
        return self.squares[name] ** 0.5 * self.inputs[name]


def _ought_to_be_heard(place: Place, record: Record) -> bool:
    """Whether it would be a difference that no gradient arrived there."""
    return record.has_gradient.get(place, False) and place not in record.doubtful


def _value(place: Place) -> str:
    """What is at a place, in words that suit the module that has made it."""
    if place.kind == "input":
        return f"input to {_called(place.call)}"
    return f"buffer {place.which}" if place.kind == "buffer" else _numbered("output", place)


def _gradient(place: Place) -> str:
    if place.kind == "output":
        return f"gradient of the output of {_called(place.call)}"
    return f"gradient of {place.which}" if place.kind == "parameter" else _numbered("input gradient", place)


def _numbered(what: str, place: Place) -> str:
    return f"{what} {place.which + 1}" if isinstance(place.which, int) and place.which else what


def _called(call: Call) -> str:
    return call.name if call.number == 1 else f"{call.name} (call {call.number})"
