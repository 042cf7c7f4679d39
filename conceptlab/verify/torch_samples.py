"""PyTorch's own test material. It is private to torch, so this is the one file that touches it."""

import functools
import importlib
import inspect
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from conceptlab.core import Part, message, registry
from conceptlab.core.samples import Sample
from conceptlab.verify.calls import reseed

# The import of the test material forbids assignments such as `torch.backends.cudnn.benchmark = True` for good; a module
# that is verified may make them.
torch.backends.disable_global_flags.__globals__["__allow_nonbracketed_mutation_flag"] = True


def private(module: str, name: str) -> Any:
    """Something of ``torch.testing._internal``.

    Raises:
        ImportError: this release of torch does not have it there, or lacks what it needs itself.
    """
    try:
        return getattr(importlib.import_module(f"torch.testing._internal.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            message(
                "conceptlab.verify",
                expected=f"{name} in torch.testing._internal.{module}, where PyTorch keeps its own test samples",
                received=f"torch {torch.__version__}, with which: {error}",
                remedy="That module is private to torch and may change: use a release from 2.11 on that conceptlab was "
                "tested with, or mend conceptlab/verify/torch_samples.py, which alone reads it.",
            )
        ) from error


def tested() -> list[Any]:
    """What PyTorch has samples of: the functions of torch.nn.functional, then the classes of torch.nn."""
    start = "nn.functional."
    names = {op.name for op in private("common_methods_invocations", "op_db") if op.name.startswith(start)}
    classes = {info.module_cls for info in private("common_modules", "module_db")}
    functions = [getattr(torch.nn.functional, name.removeprefix(start)) for name in sorted(names)]
    return functions + sorted(classes, key=lambda cls: cls.__name__)


@functools.cache
def _named_op_infos() -> list[tuple[Any, Any, set[str]]]:
    """All ``OpInfo`` entries, each with its function and its names, since its attributes are slow to read."""
    infos = private("common_methods_invocations", "op_db")
    return [(op, op.op, {op.name, *(alias.name for alias in op.aliases)}) for op in infos]


@functools.cache
def op_infos(part: Part) -> tuple[Any, ...]:
    """The ``OpInfo`` entries about a function part."""
    names = {part.name, f"{part.home.removeprefix('torch.')}.{part.name}"}
    return tuple(op for op, function, known in _named_op_infos() if function is part.torch or names & known)


@functools.cache
def module_infos(part: Part) -> tuple[Any, ...]:
    """The ``ModuleInfo`` entries about a class part."""
    return tuple(info for info in private("common_modules", "module_db") if info.module_cls is part.torch)


def _drawn(samples: Iterable) -> Iterator:
    """Samples of an ``OpInfo``, the random numbers started anew for each.

    Its ``sample_inputs`` does as much, and looks for a unittest in the call stack, which takes a quarter of a second.
    """
    seed = private("common_utils", "SEED")
    drawn = iter(samples)
    while True:
        random.seed(seed)
        numpy.random.seed(seed)
        reseed(seed)
        try:
            yield next(drawn)
        except StopIteration:
            return


def function_samples(part: Part, dtype: torch.dtype, device: str = "cpu") -> Iterator[Sample]:
    """A function part's samples from ``op_db``, with the gradients that torch supports required."""
    for op in op_infos(part):
        known = op.supported_dtypes(device)
        if not any(d.is_floating_point for d in known):
            dtype = torch.int64  # one_hot, for instance, knows whole numbers only
        if dtype not in known:
            continue
        differentiable = op.supports_autograd and dtype in op.supported_backward_dtypes(device)
        for number, sample in enumerate(_drawn(op.sample_inputs_func(op, device, dtype, differentiable))):
            name = f"{op.variant_test_name or 'op'}-{number}"
            args, kwargs = _for_part(part, op.op, (sample.input, *sample.args), sample.kwargs)
            if part.name in _DEGENERATE and _values_together(part, args, kwargs) <= _DEGENERATE[part.name]:
                continue
            yield Sample(name, args, kwargs, smooth=part.name not in _SATURATED)


_SATURATED = frozenset({"multi_head_attention_forward"})
"""The one sample of these has scores in the thousands. Its softmax is 0 or 1, and of second derivatives, the
differences of products of such numbers, rounding is left; torch's own differ among themselves."""

_DEGENERATE = {"layer_norm": 2, "rms_norm": 1, "group_norm": 2, "normalize": 1, "cosine_similarity": 1}
"""Samples in which no more values than that are normalized together are left out. All that is left of so few is signs,
the gradient cancels to nothing, and what torch computes is rounding, times 1 / √eps: another number on each of its own
ways to compute it."""


def _values_together(part: Part, args: tuple, kwargs: dict) -> int:
    """How many values of a normalization's sample are divided by one number."""
    x: torch.Tensor = args[0]
    if part.name == "cosine_similarity":
        return min(z.shape[kwargs.get("dim", 1)] if z.dim() else 1 for z in args[:2])
    if part.name == "normalize":
        return x.shape[kwargs.get("dim", 1)] if x.dim() else 1
    if part.name == "group_norm":
        return math.prod(x.shape[1:]) // args[1]
    return math.prod(args[1])


def function_error_samples(part: Part, device: str = "cpu") -> Iterator[tuple[Sample, type[Exception]]]:
    """Calls that torch refuses, each with the type of the exception."""
    for op in op_infos(part):
        if op.error_inputs_func is None:
            continue
        for number, error in enumerate(_drawn(op.error_inputs_func(op, device))):
            sample = error.sample_input
            arguments = _for_part(part, op.op, (sample.input, *sample.args), sample.kwargs)
            yield Sample(f"error-{number}", *arguments), error.error_type


def class_samples(part: Part, dtype: torch.dtype, *, training: bool, device: str = "cpu") -> Iterator[Sample]:
    """A class part's samples from ``module_db``."""
    for info in module_infos(part):
        if dtype not in info.supported_dtypes(device):
            continue
        inputs = info.module_inputs_func(info, device=device, dtype=dtype, requires_grad=True, training=training)
        for number, sample in enumerate(inputs):
            if sample.forward_input is None:
                continue
            init, forward = sample.constructor_input, sample.forward_input
            name = f"module-{number}{'-' + sample.desc if sample.desc else ''}"
            yield Sample(name, tuple(forward.args), forward.kwargs, tuple(init.args), init.kwargs)


def class_error_samples(
    part: Part, dtype: torch.dtype, device: str = "cpu"
) -> Iterator[tuple[Sample, type[Exception], bool]]:
    """Constructions and calls that torch refuses, with the exception's type, and whether the constructor raises it."""
    for info in module_infos(part):
        if info.module_error_inputs_func is None:
            continue
        inputs = info.module_error_inputs_func(info, device=device, dtype=dtype, requires_grad=False, training=True)
        for number, error in enumerate(inputs):
            init, forward = error.module_error_input.constructor_input, error.module_error_input.forward_input
            args, kwargs = (tuple(forward.args), forward.kwargs) if forward else ((), {})
            in_constructor = "CONSTRUCTION" in error.error_on.name
            sample = Sample(f"error-{number}", args, kwargs, tuple(init.args), init.kwargs)
            yield sample, error.error_type, in_constructor


def optimizer_samples(part: Part, device: str = "cpu") -> Iterator[Sample]:
    """An optimizer's settings from ``optim_db``, each without and with ``foreach``, ``fused``, ``differentiable``."""
    settings_of = private("common_optimizers", "_get_optim_inputs_including_global_cliquey_kwargs")
    for info in private("common_optimizers", "optim_db"):
        if info.optim_cls is part.torch:
            for setting in settings_of(device, torch.float64, info):
                yield Sample(setting.desc.replace(" & ", "-").replace(" ", "_"), init_kwargs=setting.kwargs)


@dataclass(frozen=True)
class OptimizerNeeds:
    """What an optimizer asks for at each step.

    Attributes:
        closure: a function that computes loss and gradients.
        sparse: gradients that are sparse.
    """

    closure: bool = False
    sparse: bool = False


@functools.cache
def optimizer_needs(part: Part) -> OptimizerNeeds:
    """What torch's optimizer asks for at each step."""
    for info in private("common_optimizers", "optim_db"):
        if info.optim_cls is part.torch:
            return OptimizerNeeds(info.step_requires_closure, info.only_supports_sparse_grads)
    return OptimizerNeeds()


def optimizer_error_samples(part: Part, device: str = "cpu") -> Iterator[tuple[Sample, type[Exception], str]]:
    """Constructions of an optimizer that torch refuses or warns about, each with type and pattern of the exception."""
    for info in private("common_optimizers", "optim_db"):
        if info.optim_cls is part.torch:
            for error in info.optim_error_inputs_func(device=device, dtype=torch.float64):
                setting = error.optimizer_error_input
                name = setting.desc.replace(" ", "_")
                yield (
                    Sample(name, init_args=(setting.params,), init_kwargs=setting.kwargs),
                    error.error_type,
                    error.error_regex,
                )


def supports_forward_mode(part: Part) -> bool:
    """Whether torch itself has forward mode for a function part."""
    infos = op_infos(part)
    return not infos or all(op.supports_forward_ad for op in infos)


def supports_second_derivative(part: Part) -> bool:
    """Whether torch itself has second derivatives for a function part."""
    return all(op.supports_gradgrad for op in op_infos(part))


def _for_part(part: Part, spelling: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of another spelling, as the part's own function takes them."""
    known, adapter = registry.spellings.get(spelling, (part, None))
    if known is part and adapter is not None:
        received: list[tuple[tuple, dict]] = []
        adapter(lambda *a, **k: received.append((a, k)), *args, **kwargs)
        return received[0]
    # where PyTorch tests a lambda around the function, which may order the arguments in another way
    if getattr(spelling, "__name__", "") == "<lambda>":
        with _Overhearing(part.torch) as heard:
            try:
                spelling(*args, **kwargs)
            except _HeardError:
                return heard.arguments
    return args, dict(kwargs)


class _HeardError(Exception):
    """The call was heard, and nothing else is wanted of it."""


class _Overhearing(TorchFunctionMode):
    """Learns with which arguments a function is called, and stops there."""

    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function
        self.arguments: tuple[tuple, dict] = ((), {})

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        if func is self.function:
            # what passes through a wrapper has all defaults filled in
            known = signature(func)
            defaults = {p.name: p.default for p in known.parameters.values()} if known else {}
            given = {
                k: v for k, v in (kwargs or {}).items() if isinstance(v, torch.Tensor) or defaults.get(k, ...) != v
            }
            self.arguments = args, given
            raise _HeardError
        return func(*args, **(kwargs or {}))


def references(part: Part) -> list[tuple[Sample, Callable[[Any], Any]]]:
    """Samples in float64, each with what gives an independent formula's result; for a layer, of torch's own layer."""
    found: list[tuple[Sample, Callable[[Any], Any]]] = []
    for op in op_infos(part):
        if op.ref is None or op.ref is private("opinfo.core", "_NOTHING"):
            continue
        for number, sample in enumerate(_drawn(op.sample_inputs_func(op, "cpu", torch.float64, False))):
            arguments = _for_part(part, op.op, (sample.input, *sample.args), sample.kwargs)
            formula = functools.partial(_of_numpy, op.ref, sample.numpy())
            found.append((Sample(f"{op.variant_test_name or 'op'}-{number}", *arguments), formula))
    for info in module_infos(part):
        inputs = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=False, training=True)
        for number, one in enumerate(inputs):
            if one.reference_fn is not None and one.forward_input is not None:
                init, forward = one.constructor_input, one.forward_input
                sample = Sample(f"module-{number}", tuple(forward.args), forward.kwargs, tuple(init.args), init.kwargs)
                found.append((sample, functools.partial(_of_module, one.reference_fn, forward)))
    return found


def _of_numpy(reference: Callable, sample: Any, _: Any) -> torch.Tensor:
    return torch.as_tensor(reference(sample.input, *sample.args, **sample.kwargs))


def _of_module(reference: Callable, forward: Any, module: Any) -> Any:
    return tree_map(lambda y: y.detach(), reference(module, *forward.args, **forward.kwargs))


def signature(function: Any) -> inspect.Signature | None:
    """A callable's signature, where torch shows one."""
    try:
        return inspect.signature(function)
    except ValueError:
        return None
