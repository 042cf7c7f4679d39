"""Clipping: functions of parameters that change their gradients in place, or of tensors that they measure."""

import copy
import inspect
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify.calls import reseed
from conceptlab.verify.closeness import BOUND, Mismatch, check_same
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each
from conceptlab.verify.target import Target

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
KEY_WORDS = ("non-finite", "can't use the foreach API", "empty generator")
"""Patterns: what torch's refusal or warning has of them, an implementation's has to have, too."""


@dataclass(frozen=True)
class _Call:
    """What one call did: what it returned, the gradients afterwards, warnings and exception."""

    result: Any
    gradients: list[Tensor | None]
    said: list[tuple[type, list[str]]]
    error: Exception | None


def _parameters(gradients: Iterable[Tensor | None]) -> list[nn.Parameter]:
    parameters = []
    for gradient in gradients:
        like = torch.zeros(2) if gradient is None else torch.zeros(gradient.shape, dtype=gradient.dtype)
        parameter = nn.Parameter(like if gradient is None else like.to(gradient.device))
        parameter.grad = gradient
        parameters.append(parameter)
    return parameters


def _takes_parameters(target: Target) -> bool:
    return next(iter(inspect.signature(target.builtin).parameters)) == "parameters"


def _call(target: Target, function: Callable, sample: Sample, form: Callable = list) -> _Call:
    # a deep copy keeps gaps and expanded axes
    given = copy.deepcopy(sample.args[0])
    if _takes_parameters(target):
        tensors: list[Any] = _parameters(given)
    else:
        tensors = [g for g in given if g is not None]
    result, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(form(tensors), **sample.kwargs)
        except REFUSALS as refusal:
            error = refusal
    said = [(w.category, _key_words(w.message)) for w in caught if _key_words(w.message)]
    return _Call(result, given, said, error)


def _key_words(said: object) -> list[str]:
    return [words for words in KEY_WORDS if re.search(words, str(said))]


def _generator(tensors: list) -> Any:
    return (tensor for tensor in tensors)


def _alone(tensors: list) -> Any:
    if len(tensors) != 1:
        raise NotApplicable("there is not just one")
    return tensors[0]


def _bound(sample: Sample, dtype: torch.dtype) -> float:
    dtypes = [dtype, *(g.abs().dtype for g in sample.args[0] if g is not None)]
    eps = max(torch.finfo(d).eps for d in dtypes)
    return BOUND if eps == torch.finfo(torch.float64).eps else 4 * eps


def _values(target: Target, dtype: torch.dtype, forms: Iterable[Callable]) -> Tally:
    def compare(sample: Sample) -> None:
        for form in forms:
            theirs = _call(target, target.builtin, sample, form)
            if theirs.error is not None:
                raise NotApplicable("torch refuses it")
            ours = _call(target, target.implementation, sample, form)
            if ours.error is not None:
                raise ours.error
            check_same(ours.said, theirs.said, "warnings")
            check_same(ours.result, theirs.result, "result", bound=_bound(sample, dtype))
            check_same(ours.gradients, theirs.gradients, "gradients", bound=_bound(sample, dtype))

    reseed(0)
    return each(target.samples(dtype), compare)


def values(target: Target) -> Tally:
    """The result and the gradients afterwards are torch's, for a list of parameters, for a generator and for one."""
    forms = (list, _generator, _alone)
    return sum((_values(target, torch.float64, [form]) for form in forms), Tally())


def precision(target: Target) -> Tally:
    """The same in float32, bfloat16 and float16, to four roundings."""
    return sum((_values(target, dtype, [list]) for dtype in _DTYPES[1:]), Tally())


def rounded_once(target: Target) -> Tally:
    """The norm of gradients in half precision is that of the same numbers in float64, rounded once."""

    def compare(sample: Sample) -> None:
        dtypes = {g.dtype for g in sample.args[0] if g is not None}
        if len(dtypes) != 1 or not dtypes & {torch.bfloat16, torch.float16}:
            raise NotApplicable("there are other gradients than those of a kind of half precision")
        (dtype,) = dtypes
        precise = [g if g is None else g.double() for g in sample.args[0]]
        exact = _call(target, target.builtin, replace(sample, args=(precise,)))
        received = _call(target, target.implementation, sample)
        if not isinstance(exact.result, Tensor) or received.error is not None:
            raise NotApplicable("it is refused, or there is no result")
        check_same(
            received.result.double(), exact.result.to(dtype).double(), "norm", bound=0.01 * torch.finfo(dtype).eps
        )

    reseed(0)
    samples = [s for dtype in (torch.bfloat16, torch.float16) for s in target.samples(dtype)]
    return each(samples, compare)


def refused(target: Target) -> Tally:
    """What torch refuses is refused, with torch's type of exception and key words."""

    def compare(sample: Sample) -> None:
        expected = _call(target, target.builtin, sample).error
        received = _call(target, target.implementation, sample).error
        if expected is None:
            raise NotApplicable("torch accepts it")
        if isinstance(expected, NotImplementedError):
            raise NotApplicable("torch does not refuse it, but has no kernel for it")
        if type(received) is not type(expected):
            raise Mismatch(f"expected {expected!r}, received {received!r}") from received
        if _key_words(expected) != _key_words(received):
            raise Mismatch(f"expected a message as {str(expected)!r}, received {str(received)!r}") from received

    return each(target.samples(), compare)


def without_values(target: Target) -> Tally:
    """On the meta device, and for fake tensors of CUDA, it does what torch's own does; nothing waits for an answer."""

    def compare(sample: Sample) -> None:
        outcomes = []
        for function in (target.builtin, target.implementation):
            with torch.no_grad() if sample.name == "meta" else FakeTensorMode():
                first, *_, last = sample.name.split(" and ") * 2
                gradients = [torch.empty(3, device=first), torch.empty(2, 2, device=last)]
                tensors = _parameters(gradients) if _takes_parameters(target) else gradients
                try:
                    result = function(tensors, **sample.kwargs)
                except REFUSALS as error:
                    result = type(error)
            is_tensor = isinstance(result, Tensor)
            outcomes.append((result.device.type, result.dtype, result.shape) if is_tensor else result)
        check_same(outcomes[1], outcomes[0], "result")

    first = next(target.samples(), None)
    if first is None:
        return Tally()
    plain = first.kwargs
    on_meta = {name: value.to("meta") if isinstance(value, Tensor) else value for name, value in plain.items()}
    meta = [Sample("meta", kwargs={**on_meta, "foreach": foreach}) for foreach in (None, True, False)]
    # a norm that is given would have to be a fake tensor, too
    names = [] if "total_norm" in plain else ["cuda", "cuda and cpu", "cpu and cuda"]
    cuda = [Sample(name, kwargs={**plain, "foreach": foreach}) for name in names for foreach in (None, False)]
    return each([*meta, *cuda], compare)


def purity(target: Target) -> Tally:
    """It is made of elementary operations, none of which is torch.nn's."""

    def check(sample: Sample) -> None:
        if _call(target, target.builtin, sample).error is not None:
            raise NotApplicable("torch refuses it")
        tensors: list[Any] = [g.clone() for g in sample.args[0]]
        tensors = _parameters(tensors) if _takes_parameters(target) else tensors
        # to raise for a norm that is not finite, it has to be looked at: as torch's own does
        allowed = {"forward": ["_local_scalar_dense"]} if sample.kwargs.get("error_if_nonfinite") else {}
        found = foreign_operations(lambda: target.implementation(tensors, **sample.kwargs))
        if found not in ({}, allowed):
            raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found}")

    return each((s for s in target.samples(torch.float32) if s.name.startswith("one-")), check)


CHECKS = (values, precision, rounded_once, refused, without_values, purity)
"""The telling ones first."""
