"""PyTorch's own test material. It is private to torch, so this is the one file that touches it."""

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.testing._internal.common_optimizers import _get_optim_inputs_including_global_cliquey_kwargs, optim_db

from conceptlab.core import Part, registry
from conceptlab.core.samples import Sample

# The import of the test material forbids assignments such as `torch.backends.cudnn.benchmark = True` for good; a module
# that is verified may make them.
torch.backends.disable_global_flags.__globals__["__allow_nonbracketed_mutation_flag"] = True


@functools.cache
def op_infos(part: Part) -> tuple[Any, ...]:
    """The ``OpInfo`` entries about a function part."""
    short = part.home.removeprefix("torch.")
    names = {part.name, f"{short}.{part.name}"}
    return tuple(op for op in op_db if op.op is part.torch or names & {op.name, *(a.name for a in op.aliases)})


@functools.cache
def module_infos(part: Part) -> tuple[Any, ...]:
    """The ``ModuleInfo`` entries about a class part."""
    return tuple(info for info in module_db if info.module_cls is part.torch)


def function_samples(part: Part, dtype: torch.dtype, device: str = "cpu") -> Iterator[Sample]:
    """A function part's samples from ``op_db``, with the gradients that torch supports required."""
    for op in op_infos(part):
        if dtype not in op.supported_dtypes(device):
            continue
        differentiable = op.supports_autograd and dtype in op.supported_backward_dtypes(device)
        for number, sample in enumerate(op.sample_inputs(device, dtype, requires_grad=differentiable)):
            name = f"{op.variant_test_name or 'op'}-{number}"
            yield Sample(name, *_for_part(part, op.op, (sample.input, *sample.args), sample.kwargs))


def function_error_samples(part: Part, device: str = "cpu") -> Iterator[tuple[Sample, type[Exception]]]:
    """Calls that torch refuses, each with the type of the exception."""
    for op in op_infos(part):
        if op.error_inputs_func is None:
            continue
        for number, error in enumerate(op.error_inputs(device)):
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
    for info in optim_db:
        if info.optim_cls is part.torch:
            for setting in _get_optim_inputs_including_global_cliquey_kwargs(device, torch.float64, info):
                yield Sample(setting.desc.replace(" & ", "-").replace(" ", "_"), init_kwargs=setting.kwargs)


def optimizer_error_samples(part: Part, device: str = "cpu") -> Iterator[tuple[Sample, type[Exception], str]]:
    """Constructions of an optimizer that torch refuses or warns about, each with type and pattern of the exception."""
    for info in optim_db:
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


def _for_part(part: Part, spelling: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of another spelling, as the part's own function takes them."""
    known, adapter = registry.spellings.get(spelling, (part, None))
    if known is not part or adapter is None:
        return args, dict(kwargs)
    received: list[tuple[tuple, dict]] = []
    adapter(lambda *a, **k: received.append((a, k)), *args, **kwargs)
    return received[0]


def signature(function: Any) -> inspect.Signature | None:
    """A callable's signature, where torch shows one."""
    try:
        return inspect.signature(function)
    except ValueError:
        return None
