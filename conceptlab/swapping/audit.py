"""`audit`: the operations that a model is made of, and what of torch's own still runs in it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from conceptlab.core import Tiered, registry
from conceptlab.swapping.recorder import PHASES, Phase, Recorder, run_and_record

PRIMITIVES: Mapping[str, frozenset[str]] = {
    section: frozenset(names.split())
    for section, names in {
        "bookkeeping": """
            detach alias lift_fresh clone copy _to_copy to empty empty_like new_empty empty_strided new_empty_strided
            zeros zeros_like new_zeros ones ones_like new_ones full full_like new_full fill zero scalar_tensor arange
            linspace eye contiguous _efficientzerotensor promote_types
            _assert_async""",
        "views": """
            view _unsafe_view permute transpose t expand unsqueeze squeeze select slice split split_with_sizes unbind
            as_strided diagonal unfold view_as_real view_as_complex""",
        "joins and moves": """
            cat stack flip roll repeat repeat_interleave rot90 tril triu diag_embed select_scatter slice_scatter
            as_strided_scatter diagonal_scatter""",
        "arithmetic and rounding": """
            add sub rsub mul div neg abs sign sgn pow reciprocal floor ceil round trunc frac fmod remainder
            floor_divide clamp clamp_min clamp_max maximum minimum addcmul addcdiv lerp copysign _conj
            _foreach_add _foreach_sub _foreach_mul _foreach_div _foreach_neg _foreach_sqrt _foreach_pow
            _foreach_addcmul _foreach_addcdiv _foreach_lerp _foreach_maximum""",
        "functions": """
            exp exp2 expm1 log log2 log1p sqrt rsqrt erf erfinv sin cos tan asin atan atan2 hypot tanh sigmoid""",
        "comparison, selection, logic": """
            eq ne lt le gt ge isnan isinf where masked_fill logical_and logical_or logical_not bitwise_and bitwise_or
            bitwise_xor bitwise_not any all""",
        "reductions": """
            sum mean amax amin argmax argmin max min cumsum sort topk var var_mean count_nonzero linalg_vector_norm""",
        "products": "mm bmm addmm baddbmm mv addmv dot",
        "indexing": """
            index index_select gather scatter scatter_add scatter_reduce index_add index_put index_copy index_fill
            nonzero masked_select masked_scatter searchsorted bucketize""",
        "random draws": """
            bernoulli uniform normal rand randn randn_like randint randperm random multinomial exponential""",
        "backward only": """
            slice_backward select_backward unfold_backward diagonal_backward masked_scatter_backward sigmoid_backward
            tanh_backward _sparse_coo_tensor_with_dims_and_tensors sparse_mask _values""",
    }.items()
}
"""What code by hand may be made of: aten operations, by name, all overloads and their in-place twins.

What a textbook takes for granted, and no operation of torch.nn. (`promote_types` asks for a dtype, and `_assert_async`
refuses a value without waiting for the device.) Those under "backward only" are what autograd itself runs for the
others, and what puts a sparse gradient together; a forward pass has no use for them.
"""

TAUGHT: Mapping[str, frozenset[str]] = {
    "relu": frozenset({"clamp", "clamp_min", "clamp_max", "maximum", "minimum"}),
    "sigmoid": frozenset({"tanh", "tanh_backward", "sigmoid", "sigmoid_backward"}),
}
"""Primitives that a concept may not use, because it is the one that teaches them."""


def is_foreign(operation: str, phase: Phase, concept: str | None = None) -> bool:
    """Whether an operation is none that code by hand, of that concept, may use in that phase.

    >>> is_foreign("convolution", "forward"), is_foreign("clamp", "forward"), is_foreign("clamp", "forward", "relu")
    (True, False, True)
    """
    allowed = any(
        operation in names for section, names in PRIMITIVES.items() if phase != "forward" or section != "backward only"
    )
    return not allowed or operation in TAUGHT.get(concept or "", ())


def foreign_operations(
    function: Callable,
    args: tuple = (),
    kwargs: Mapping[str, Any] | None = None,
    concept: str | None = None,
    *,
    twice: bool = True,
) -> dict[Phase, list[str]]:
    """The operations that ``function`` ran and that code by hand may not use, by phase; empty if there are none.

    It runs forward, backward with a random upstream gradient, and, if ``twice``, backward through that.

    >>> foreign_operations(torch.relu, (torch.randn(3),))
    {'forward': ['relu'], 'backward': ['threshold_backward'], 'double backward': ['threshold_backward']}
    >>> foreign_operations(torch.exp, (torch.randn(3),))
    {}
    """
    recorder = run_and_record(function, args, kwargs or {}, _names(function), twice=twice)
    found = {}
    for phase in PHASES:
        operations = {operation for counts in recorder.counts[phase].values() for operation in counts}
        if foreign := sorted(o for o in operations if is_foreign(o, phase, concept)):
            found[phase] = foreign
    return found


@dataclass(frozen=True)
class Audited:
    """What ran in one place.

    Attributes:
        name: the module's qualified name; empty for the root, and for what ran outside of all modules.
        what: the module's class, or the torch function that was called in it.
        tier: the tier of a part; None for what is no part.
        concept: the part's concept.
        operations: for each phase, how often each aten operation ran.
    """

    name: str
    what: str
    tier: str | None
    concept: str | None
    operations: dict[Phase, Counter[str]]

    @property
    def foreign(self) -> list[str]:
        """The operations that are none of code by hand: torch.nn's own, or another library's."""
        found = {
            operation
            for phase, counts in self.operations.items()
            for operation in counts
            # reading a number is no layer's arithmetic
            if operation != "_local_scalar_dense"
            and is_foreign(operation, phase, None if self.tier == "builtin" else self.concept)
        }
        return sorted(found)

    @property
    def is_leak(self) -> bool:
        """Whether it is torch's own: one of its layers that is a part, or anything made of a foreign operation."""
        is_layer = self.tier == "builtin" and self.what in registry.parts and registry.parts[self.what].is_class
        return is_layer or bool(self.foreign)

    @property
    def has_by_hand(self) -> bool:
        """Whether conceptlab has a form of it by hand."""
        return self.concept is not None


@dataclass(frozen=True)
class AuditReport:
    """What `audit` found; ``print`` it.

    Attributes:
        rows: what ran, place by place, in the order in which the places were reached.
    """

    rows: list[Audited] = field(default_factory=list)

    @property
    def leaks(self) -> list[Audited]:
        """Torch's own layers and functions that still ran."""
        return [row for row in self.rows if row.is_leak]

    def __str__(self) -> str:
        by_hand = [row for row in self.leaks if row.has_by_hand]
        others = [row for row in self.leaks if not row.has_by_hand]
        lines = []
        if by_hand:
            lines += [f"Torch's own, though conceptlab has it by hand, in {_places(by_hand)}:", *_summary(by_hand)]
        if others:
            lines += [f"Torch's own, and not by hand (yet), in {_places(others)}:", *_summary(others)]
        if not lines:
            lines += ["Nothing of torch's own layers and functions ran."]
        made = [row for row in self.rows if not row.is_leak]
        return "\n".join([*lines, *(["Made of elementary operations:"] if made else []), *_summary(made)])


def audit(model: Callable, /, *inputs: Any, double_backward: bool = False, **kwargs: Any) -> AuditReport:
    """Run a model, or any callable, forward and backward, and report the aten operations that it is made of.

    The upstream gradient is random. The model's buffers and gradients and the random state are afterwards as they were.
    A compiled model is run uncompiled. It has to be in the mode, training or evaluation, that is to be audited.

    >>> import conceptlab as cl
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> report = cl.swap(model, {"Linear": "handmade"})
    >>> for row in cl.audit(model, torch.randn(2, 4)).leaks:
    ...     print(row.name, row.what, row.tier, row.foreign)
    1 ReLU builtin ['relu', 'threshold_backward']

    Args:
        model: a module or another callable.
        *inputs: its inputs.
        double_backward: whether to run the backward pass of the backward pass, too.
        **kwargs: its keyword arguments.
    """
    names = _names(model)
    with _as_it_was(names):
        recorder = run_and_record(model, inputs, kwargs, names, twice=double_backward)
    return AuditReport(_rows(recorder))


def _names(function: Callable) -> dict[nn.Module, str]:
    """The qualified names of all modules of the model that ``function`` is, or is a method of."""
    model = getattr(function, "__self__", function)
    if not isinstance(model, nn.Module):
        return {}
    # torch.compile's wrapper, which would show in every name, is none of the model's own modules
    return {module: _without_wrapper(name) for name, module in model.named_modules()}


def _without_wrapper(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


@contextmanager
def _as_it_was(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put buffers and the random state back afterwards."""
    before = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers(recurse=False)]
    with torch.random.fork_rng():
        yield
    for buffer, value in before:
        buffer.data.copy_(value)


def _rows(recorder: Recorder) -> list[Audited]:
    rows: dict[tuple[str, str], Audited] = {}

    def row(name: str, what: str, tier: str | None, concept: str | None) -> Audited:
        return rows.setdefault((name, what), Audited(name, what, tier, concept, {}))

    for name, module in recorder.entered.items():
        row(name, *_kind(module, None))
    torchs_own = {
        owner
        for phase, by_owner in recorder.counts.items()
        for owner, counts in by_owner.items()
        if any(is_foreign(operation, phase) for operation in counts)
    }
    for phase, by_owner in recorder.counts.items():
        for owner, counts in by_owner.items():
            # torch.tanh is a part, and also an elementary operation of other parts: then it is not worth a row
            function = owner.function if owner in torchs_own else None
            place = row(owner.name, *_kind(recorder.entered.get(owner.name), function))
            place.operations.setdefault(phase, Counter()).update(counts)
    return [place for place in rows.values() if place.operations or place.is_leak]


def _kind(module: nn.Module | None, function: str | None) -> tuple[str, str | None, str | None]:
    """What runs there, its tier and its concept."""
    by_class = {cls: part for part in registry.parts.values() if part.is_class for cls in part.tiers.values()}
    if isinstance(module, Tiered):
        part = next((by_class[cls] for cls in type(module).__mro__ if cls in by_class), None)
        return type(module).__name__, module.tier, part.concept if part else None
    if type(module) in by_class:
        return type(module).__name__, "builtin", by_class[type(module)].concept
    if function is not None:
        return function, "builtin", registry.parts[function].concept
    return type(module).__name__ if module else "(no module)", None, None


def _summary(rows: Iterable[Audited]) -> list[str]:
    """A paragraph for all rows of one kind: their names, and what they are made of."""
    groups: dict[tuple[str, str], list[Audited]] = {}
    for row in rows:
        groups.setdefault((row.what, row.tier or ""), []).append(row)
    lines = []
    for kind, group in groups.items():
        names = [row.name or "(the root)" for row in group]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        lines.append(f"  {len(group)} {' '.join(kind).strip()}: {', '.join(names[:4])}{more}")
        for phase in PHASES:
            total = sum((row.operations.get(phase, Counter()) for row in group), Counter())
            if total:
                lines.append(f"      {phase}: {', '.join(f'{name} ×{n}' for name, n in total.most_common())}")
    return lines


def _places(rows: list[Audited]) -> str:
    return "1 place" if len(rows) == 1 else f"{len(rows)} places"
