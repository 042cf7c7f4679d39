"""The checks of a function part: each compares a tier with torch's own, on all samples."""

import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._pytree import tree_map

from conceptlab.core import Part, registry
from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import channels_last, gradients, run, scattered, second_gradients, step_away
from conceptlab.verify.closeness import NOISE, ErrorRatio, Mismatch, check_same

Check = Callable[[Part, Callable], int]

MANY = 150
"""PyTorch's samples of a part that a check takes at most; where there are more, they repeat themselves."""


def samples(part: Part, dtype: torch.dtype = torch.float64, *, thinned: bool = True) -> Iterator[Sample]:
    """PyTorch's samples of a function part, then the concept's own.

    `values` and `first_derivatives` take all of them. The other checks take at most `MANY` of PyTorch's, drawn from all
    alike, the same in every run, and all of the concept's own. (It concerns ``max_pool1d``, ``max_pool2d`` and
    ``max_pool3d``, of which PyTorch combines all options with each other: 576 to 1 440 samples.)
    """
    if not part.is_class:
        theirs = list(torch_samples.function_samples(part, dtype))
        if thinned and len(theirs) > MANY:
            # a draw, because every n-th of a combination of all options may have one and the same option
            theirs = [theirs[i] for i in sorted(random.Random(0).sample(range(len(theirs)), MANY))]
        yield from theirs
    own = registry.samples(part.concept)
    if own is not None and hasattr(own, "samples"):
        yield from own.samples(part.name, dtype)


def each(source: Iterable[Sample], compare: Callable[[Sample], None]) -> int:
    """Run a comparison on every sample; the error names the first one that fails, and how many do."""
    failed: list[Exception] = []
    count = 0
    for sample in source:
        count += 1
        try:
            compare(sample)
        except (Mismatch, RuntimeError, ValueError, TypeError, NotImplementedError, IndexError) as error:
            failed.append(Mismatch(f"{sample.name} {_describe(sample)}: {type(error).__name__}: {error}"))
    if failed:
        raise Mismatch(f"{len(failed)} of {count} samples fail; the first: {failed[0]}") from failed[0]
    return count


def _describe(sample: Sample) -> str:
    def short(value: Any) -> Any:
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}" if isinstance(value, Tensor) else value

    args, kwargs = tree_map(short, (sample.args, dict(sample.kwargs)))
    return f"{args} {kwargs}"


def values(part: Part, function: Callable) -> int:
    """Values, in-place effects, dtype, shape and strides."""

    def compare(sample: Sample) -> None:
        ours, theirs = (run(f, sample.args, sample.kwargs) for f in (function, part.torch))
        check_same(ours.output, theirs.output, "value")
        check_same(ours.arguments, theirs.arguments, "arguments afterwards", strides=False)

    return each(samples(part, thinned=False), compare)


def first_derivatives(part: Part, function: Callable) -> int:
    """Gradients by all inputs, for a random upstream gradient."""

    def compare(sample: Sample) -> None:
        ours, theirs = (run(f, sample.args, sample.kwargs) for f in (function, part.torch))
        check_same(gradients(ours), gradients(theirs), "gradient", noise=NOISE, strides=False)

    return each(samples(part, thinned=False), compare)


def second_derivatives(part: Part, function: Callable) -> int:
    """Second derivatives by inputs and upstream gradient, where torch has them."""

    def compare(sample: Sample) -> None:
        if not sample.smooth:
            return  # torch itself takes now one side of a kink, now the other
        theirs = run(part.torch, sample.args, sample.kwargs)
        expected = or_none(lambda: second_gradients(theirs))
        if expected is not None:
            received = second_gradients(run(function, sample.args, sample.kwargs))
            # None and zero both mean: no dependence
            check_same(_dense(received, theirs), _dense(expected, theirs), "second derivative", strides=False)

    return each(samples(part), compare)


def _dense(grads: list[Tensor | None], like: Any) -> list[Tensor]:
    targets = [*like.leaves, *like.differentiable]
    filled = [*grads, *[None] * (len(targets) - len(grads))]
    return [torch.zeros_like(t) if g is None else g.detach() for g, t in zip(filled, targets, strict=True)]


def shifted_and_scaled(part: Part, function: Callable) -> int:
    """Values and gradients again with the first input × 100, + 10 and + 100, where overflow and cancellation show."""

    def compare(sample: Sample) -> None:
        for what, change in (("× 100", lambda x: x * 100), ("+ 10", lambda x: x + 10), ("+ 100", lambda x: x + 100)):
            if not sample.args or not isinstance(sample.args[0], Tensor):
                return
            first = sample.args[0]
            args = (change(first.detach()).requires_grad_(first.requires_grad), *sample.args[1:])
            theirs = or_none(lambda args=args: run(part.torch, args, sample.kwargs))
            if theirs is None:
                continue  # outside of the function's domain
            ours = run(function, args, sample.kwargs)
            check_same(ours.output, theirs.output, f"value, input {what}")
            what = f"gradient, input {what}"
            check_same(gradients(ours), gradients(theirs), what, noise=NOISE, strides=False)

    return each(samples(part), compare)


def layouts(part: Part, function: Callable) -> int:
    """Values, gradients and strides for scattered and channels-last inputs and for expanded upstream gradients."""

    def compare(sample: Sample) -> None:
        for layout in (scattered, channels_last):
            theirs = or_none(lambda layout=layout: run(part.torch, sample.args, sample.kwargs, layout=layout))
            if theirs is None:
                continue  # torch refuses it
            ours = run(function, sample.args, sample.kwargs, layout=layout)
            # torch keeps no promise about the strides that follow from a scattered input
            check_same(ours.output, theirs.output, f"value, {layout.__name__}", strides=layout is channels_last)
            for upstream_layout in (None, scattered, _expanded):
                gradient = partial(gradients, create_graph=True, layout=upstream_layout)
                expected = or_none(lambda gradient=gradient, theirs=theirs: gradient(theirs))
                if expected is not None:
                    received, expected = (
                        [g.detach() for g in grads if g is not None] for grads in (gradient(ours), expected)
                    )
                    check_same(received, expected, f"gradient, {layout.__name__}", noise=NOISE, strides=False)

    return each(samples(part), compare)


def _expanded(x: Tensor) -> Tensor:
    return x.mean().expand(x.shape)


def forward_mode(part: Part, function: Callable) -> int:
    """Forward-mode derivatives, where torch has them."""
    if not torch_samples.supports_forward_mode(part):
        return 0

    def tangents(f: Callable, sample: Sample) -> Any:
        leaves = [a for a in sample.args if isinstance(a, Tensor) and a.requires_grad]
        generator = torch.Generator().manual_seed(0)
        directions = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in leaves]

        def of_leaves(*values: Tensor) -> Any:
            replaced = iter(values)
            args = [next(replaced) if isinstance(a, Tensor) and a.requires_grad else a for a in sample.args]
            torch.manual_seed(0)
            output = f(*(a.clone() if isinstance(a, Tensor) else a for a in args), **sample.kwargs)
            outputs = output if isinstance(output, tuple) else (output,)
            return tuple(y for y in outputs if y.is_floating_point())

        return torch.func.jvp(of_leaves, tuple(x.detach() for x in leaves), tuple(directions))[1]

    def compare(sample: Sample) -> None:
        if not any(isinstance(a, Tensor) and a.requires_grad for a in sample.args):
            return
        expected = or_none(lambda: tangents(part.torch, sample))
        if expected is not None:
            check_same(tangents(function, sample), expected, "tangent", strides=False)

    return each(samples(part), compare)


def vmapped(part: Part, function: Callable) -> int:
    """``torch.vmap`` over the first input, forward and backward, against a loop over torch's own."""

    def compare(sample: Sample) -> None:
        if not sample.args or not isinstance(sample.args[0], Tensor) or not sample.args[0].is_floating_point():
            return
        first, *rest = (a.detach() if isinstance(a, Tensor) else a for a in sample.args)
        batch = torch.stack([first, first.flip(0) if first.dim() else first, first * 0.5])

        def call(f: Callable) -> Callable:
            return lambda x: f(x.clone(), *rest, **sample.kwargs)

        expected = or_none(lambda: torch.vmap(call(part.torch), randomness="same")(batch))
        if not isinstance(expected, Tensor) or expected.is_complex():
            return
        torch.manual_seed(0)
        expected = torch.vmap(call(part.torch), randomness="same")(batch)
        torch.manual_seed(0)
        check_same(torch.vmap(call(function), randomness="same")(batch), expected, "vmap", strides=False)
        if not sample.args[0].requires_grad or not sample.smooth:
            return

        def gradient(f: Callable) -> Tensor:
            g = torch.randn(expected.shape[1:], generator=torch.Generator().manual_seed(0), dtype=expected.dtype)
            torch.manual_seed(0)
            return torch.vmap(torch.func.grad(lambda x: (call(f)(x) * g).sum()), randomness="same")(batch)

        expected_grad = or_none(lambda: gradient(part.torch))
        if expected_grad is not None:
            check_same(gradient(function), expected_grad, "vmap of grad", strides=False)

    return each(samples(part), compare)


def gradgradcheck(part: Part, function: Callable) -> int:
    """Derivatives of first and second order against finite differences, on the smallest samples."""
    sized = [
        s for s in samples(part) if s.smooth and 0 < sum(a.numel() for a in s.args if isinstance(a, Tensor)) <= 100
    ]
    few = [s for s in sized if any(isinstance(a, Tensor) and a.requires_grad for a in s.args)][
        :: max(1, len(sized) // 4)
    ]

    def compare(sample: Sample) -> None:
        def seeded(*args: Any) -> Any:
            torch.manual_seed(0)
            copies = [a.clone() if isinstance(a, Tensor) else a for a in args]
            return function(*copies, **sample.kwargs)

        torch.autograd.gradcheck(seeded, sample.args, fast_mode=True, check_forward_ad=False)
        if torch_samples.supports_second_derivative(part):
            torch.autograd.gradgradcheck(seeded, sample.args, fast_mode=True, atol=1e-4)

    return each(few, compare)


def precision(part: Part, function: Callable, dtype: torch.dtype = torch.float32) -> int:
    """The error against float64, in values and gradients, is at most four times torch's own."""
    values_ratio, gradient_ratio = ErrorRatio(slack=2.0), ErrorRatio(slack=2.0)

    def compare(sample: Sample) -> None:
        theirs = or_none(lambda: run(part.torch, sample.args, sample.kwargs, dtype=dtype))
        if theirs is None or not isinstance(theirs.output, Tensor):
            return
        ours = run(function, sample.args, sample.kwargs, dtype=dtype)
        exact = run(
            part.torch,
            tree_map(_to(dtype), sample.args),
            tree_map(_to(dtype), dict(sample.kwargs)),
            dtype=torch.float64,
        )
        check_same(ours.output.dtype, theirs.output.dtype, "dtype")
        values_ratio.add([ours.output], [theirs.output], [exact.output])
        grads = [[g for g in gradients(o) if g is not None] for o in (ours, theirs, exact)]
        gradient_ratio.add(*grads)

    count = each(samples(part), compare)
    eps = torch.finfo(dtype).eps
    values_ratio.check("value", eps)
    gradient_ratio.check("gradient", eps)
    return count


def _to(dtype: torch.dtype) -> Callable:
    """Round to ``dtype`` and keep the rounded value in float64: the oracle sees what the others see."""

    def convert(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.detach().to(dtype).to(torch.float64).requires_grad_(value.requires_grad)
        return value

    return convert


def half_precision(part: Part, function: Callable) -> int:
    """`precision` in bfloat16 and float16."""
    return sum(precision(part, function, dtype) for dtype in (torch.bfloat16, torch.float16))


def error_inputs(part: Part, function: Callable) -> int:
    """What torch refuses is refused, with torch's type of exception."""
    count = 0
    for sample, error_type in torch_samples.function_error_samples(part):
        count += 1
        try:
            with warnings.catch_warnings(action="ignore"):  # torch may warn before it refuses
                function(*sample.args, **sample.kwargs)
        except error_type:
            continue
        except Exception as error:
            raise Mismatch(f"{_describe(sample)}: expected {error_type.__name__}, received {error!r}") from error
        raise Mismatch(f"{_describe(sample)}: expected {error_type.__name__}, and it was accepted")
    return count


def compiled(part: Part, function: Callable) -> int:
    """``torch.compile`` takes forward and backward whole, on a few samples that differ in kind."""

    def compare(sample: Sample) -> None:
        torch.compiler.reset()

        def call(*args: Any) -> Any:
            return function(*map(step_away, args), **sample.kwargs)

        ours = run(torch.compile(call, fullgraph=True, backend="aot_eager"), sample.args, {}, leaves_first=True)
        theirs = run(part.torch, sample.args, sample.kwargs)
        check_same(ours.output, theirs.output, "compiled value", strides=False)
        check_same(gradients(ours), gradients(theirs), "compiled gradient", noise=NOISE, strides=False)

    return each(kinds(part)[:4], compare)


def kinds(part: Part) -> list[Sample]:
    """Samples that differ in the input's rank or in the arguments that are given, one of each kind."""
    found: dict[Any, Sample] = {}
    for sample in samples(part):
        ranks = tuple(a.dim() if isinstance(a, Tensor) else type(a) for a in sample.args)
        found.setdefault((ranks[:1], tuple(sorted(sample.kwargs))), sample)
    return list(found.values())


def autocast(part: Part, function: Callable) -> int:
    """Inside ``torch.autocast`` the result has torch's dtype, on CPU and CUDA, and backward outside of it works."""

    def compare(sample: Sample) -> None:
        for first, others in _AUTOCAST_DTYPES:
            args = tuple(_converted(a, others if i else first) for i, a in enumerate(sample.args))
            kwargs = tree_map(lambda a, others=others: _converted(a, others), dict(sample.kwargs))
            theirs = or_none(lambda args=args, kwargs=kwargs: run(_inside_autocast(part.torch, "cpu"), args, kwargs))
            if theirs is not None:
                where = f"autocast of {first} and {others}"
                ours = run(_inside_autocast(function, "cpu"), args, kwargs)
                check_same(tree_map(_shape, ours.output), tree_map(_shape, theirs.output), where)
                expected = or_none(lambda theirs=theirs: gradients(theirs))
                if expected is not None:
                    check_same(tree_map(_shape, gradients(ours)), tree_map(_shape, expected), f"gradient, {where}")
            with FakeTensorMode():
                _compare_fake(part, function, tree_map(_fake, args), tree_map(_fake, kwargs), inside=True)

    return each(kinds(part), compare)


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


def fake_cuda(part: Part, function: Callable) -> int:
    """Shapes, dtypes and strides on CUDA, and nothing left on the CPU: forward, on tensors without values."""

    def compare(sample: Sample) -> None:
        with FakeTensorMode():
            args, kwargs = tree_map(_fake, (sample.args, dict(sample.kwargs)))
            _compare_fake(part, function, args, kwargs)

    every = list(samples(part))
    return each(every[:: 1 + len(every) // 60], compare)


def _compare_fake(part: Part, function: Callable, args: tuple, kwargs: dict, *, inside: bool = False) -> None:
    ours, theirs = (_inside_autocast(f, "cuda") if inside else f for f in (function, part.torch))
    expected = or_none(lambda: run(theirs, args, kwargs).output)
    if expected is not None:
        received = run(ours, args, kwargs).output
        check_same(tree_map(_shape, received), tree_map(_shape, expected), "fake CUDA tensors")


def _fake(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    fake = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
    return fake.requires_grad_(value.requires_grad)


def devices(part: Part, function: Callable) -> int:
    """Shapes, dtypes and strides on the meta device, forward and backward."""

    def compare(sample: Sample) -> None:
        args, kwargs = tree_map(_meta, (sample.args, dict(sample.kwargs)))
        theirs = or_none(lambda: run(part.torch, args, kwargs))
        if theirs is None:
            return
        ours = run(function, args, kwargs)
        check_same(tree_map(_shape, ours.output), tree_map(_shape, theirs.output), "meta device")
        expected = or_none(lambda: _meta_gradients(theirs))
        if expected is not None:
            check_same(tree_map(_shape, _meta_gradients(ours)), tree_map(_shape, expected), "gradient, meta device")

    return each(samples(part), compare)


def _shape(value: Any) -> Any:
    return (value.shape, value.dtype, value.device.type) if isinstance(value, Tensor) else value


def _meta(value: Any) -> Any:
    return value.detach().to("meta").requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def _meta_gradients(outcome: Any) -> list[Tensor | None]:
    outputs = outcome.differentiable
    if not outputs:
        return []
    upstream = [torch.empty_like(y) for y in outputs]
    return list(torch.autograd.grad(outputs, outcome.leaves, upstream, allow_unused=True))


def or_none(call: Callable) -> Any:
    """torch's own result, or None where torch itself refuses the call."""
    try:
        return call()
    except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, ZeroDivisionError):
        return None


def purity(part: Part, function: Callable) -> int:
    """Forward, backward and double backward are made of elementary operations, none of which is torch.nn's."""

    def check(sample: Sample) -> None:
        if found := foreign_operations(function, sample.args, sample.kwargs, part.concept):
            raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found}")

    return each(samples(part), check)


NAIVE_CHECKS: tuple[Check, ...] = (values, first_derivatives, shifted_and_scaled, error_inputs, purity)
CHECKS: tuple[Check, ...] = (
    values,
    first_derivatives,
    second_derivatives,
    shifted_and_scaled,
    layouts,
    forward_mode,
    vmapped,
    gradgradcheck,
    precision,
    half_precision,
    error_inputs,
    compiled,
    devices,
    fake_cuda,
    autocast,
    purity,
)
