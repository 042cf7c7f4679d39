"""Where it runs: compiled, under autocast, on other devices."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import gradients, run
from conceptlab.verify.closeness import NOISE, check_same, shapes
from conceptlab.verify.suite.compiling import whole
from conceptlab.verify.tally import Tally, each, of_torch, or_none, unless_torch_fails
from conceptlab.verify.target import Target


def compiled(target: Target) -> Tally:
    """``torch.compile`` takes forward and backward whole, on a few samples that differ in kind; in bfloat16, too."""

    def compare(sample: Sample) -> None:
        theirs = of_torch(lambda: run(target.builtin, sample.args, sample.kwargs))
        expected = or_none(lambda: gradients(theirs))

        def check(function: Callable) -> None:
            received = run(whole(function), sample.args, sample.kwargs, leaves_first=True)
            check_same(received.output, theirs.output, "compiled value", strides=False)
            if expected is not None:
                check_same(gradients(received), expected, "compiled gradient", noise=NOISE, strides=False)

        unless_torch_fails(check, target.implementation, target.builtin, "torch's own does not compile whole")

    def compare_dtypes(sample: Sample) -> None:
        theirs = of_torch(lambda: run(target.builtin, sample.args, sample.kwargs, dtype=torch.bfloat16))
        expected = or_none(lambda: gradients(theirs))

        def check(function: Callable) -> None:
            received = run(whole(function), sample.args, sample.kwargs, dtype=torch.bfloat16, leaves_first=True)
            check_same(shapes(received.output), shapes(theirs.output), "compiled, in bfloat16")
            if expected is not None:
                what = "compiled gradient, in bfloat16"
                check_same(shapes(gradients(received)), shapes(expected), what)

        unless_torch_fails(check, target.implementation, target.builtin, "torch's own does not compile whole")

    differing = kinds(target)
    return each(differing[:1], compare_dtypes) + each(differing[:4], compare)


def kinds(target: Target) -> list[Sample]:
    """Samples that differ in the input's rank or in the arguments that are given, one of each kind."""
    found: dict[Any, Sample] = {}
    for sample in target.samples():
        ranks = tuple(a.dim() if isinstance(a, Tensor) else type(a) for a in sample.args)
        found.setdefault((ranks[:1], tuple(sorted(sample.kwargs))), sample)
    return list(found.values())


def autocast(target: Target) -> Tally:
    """Inside ``torch.autocast`` the result has torch's dtype, on CPU and CUDA, and backward outside of it works."""

    device = torch.device(target.device).type

    def compare(sample: Sample) -> None:
        for first, others in _AUTOCAST_DTYPES:
            args, kwargs = tree_map(partial(_converted, dtype=others), (sample.args, dict(sample.kwargs)))
            args = tuple(_converted(a, first) for a in args[:1]) + args[1:]
            theirs = or_none(
                lambda args=args, kwargs=kwargs: run(_inside_autocast(target.builtin, device), args, kwargs)
            )
            if theirs is not None:
                where = f"autocast of {first} and {others}"
                ours = run(_inside_autocast(target.implementation, device), args, kwargs)
                check_same(shapes(ours.output), shapes(theirs.output), where)
                expected = or_none(lambda theirs=theirs: gradients(theirs))
                if expected is not None:
                    check_same(shapes(gradients(ours)), shapes(expected), f"gradient, {where}")
            with FakeTensorMode():
                _compare_fake(target, tree_map(_fake, args), tree_map(_fake, kwargs), inside=True)

    return each(kinds(target), compare)


_AUTOCAST_DTYPES = (
    (torch.float32, torch.float32),
    (torch.bfloat16, torch.bfloat16),
    (torch.bfloat16, torch.float32),  # the activations of a layer before, and this one's weights
)


def _converted(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().to(dtype).requires_grad_(value.requires_grad)
    return value


def _inside_autocast(function: Callable, device: str) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        # not the context manager, which refuses CUDA where there is none
        before = torch.is_autocast_enabled(device)
        torch.set_autocast_enabled(device, True)
        try:
            return function(*args, **kwargs)
        finally:
            torch.set_autocast_enabled(device, before)

    return call


def fake_cuda(target: Target) -> Tally:
    """Shapes, dtypes and strides on CUDA, and nothing left on the CPU: forward, on tensors without values."""

    def compare(sample: Sample) -> None:
        with FakeTensorMode():
            args, kwargs = tree_map(_fake, (sample.args, dict(sample.kwargs)))
            _compare_fake(target, args, kwargs)

    every = list(target.samples())
    return each(every[:: 1 + len(every) // 60], compare)


def _compare_fake(target: Target, args: tuple, kwargs: dict, *, inside: bool = False) -> None:
    ours, theirs = (_inside_autocast(f, "cuda") if inside else f for f in (target.implementation, target.builtin))
    expected = or_none(lambda: run(theirs, args, kwargs).output)
    if expected is not None:
        received = run(ours, args, kwargs).output
        check_same(shapes(received), shapes(expected), "fake CUDA tensors")


def _fake(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    fake = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
    return fake.requires_grad_(value.requires_grad)


def devices(target: Target) -> Tally:
    """Shapes, dtypes and strides on the meta device, forward and backward."""

    def compare(sample: Sample) -> None:
        args, kwargs = tree_map(_meta, (sample.args, dict(sample.kwargs)))
        theirs = of_torch(lambda: run(target.builtin, args, kwargs), "torch has no meta device for it")
        ours = run(target.implementation, args, kwargs)
        check_same(shapes(ours.output), shapes(theirs.output), "meta device")
        expected = or_none(lambda: _meta_gradients(theirs))
        if expected is not None:
            check_same(shapes(_meta_gradients(ours)), shapes(expected), "gradient, meta device")

    return each(target.samples(), compare)


def _meta(value: Any) -> Any:
    return value.detach().to("meta").requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def _meta_gradients(outcome: Any) -> list[Tensor | None]:
    outputs = outcome.differentiable
    if not outputs:
        return []
    upstream = [torch.empty_like(y) for y in outputs]
    return list(torch.autograd.grad(outputs, outcome.leaves, upstream, allow_unused=True))
