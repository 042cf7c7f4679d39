"""Values and gradients, on all samples, shifted and scaled ones, and in every layout."""

import re
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify.calls import Outcome, channels_last, gradients, reversed_axes, run, scattered
from conceptlab.verify.closeness import NOISE, Mismatch, check_same
from conceptlab.verify.outcomes import callable_of, called, few, leaves_of
from conceptlab.verify.suite.calling import telling_words
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none, unless_torch_fails
from conceptlab.verify.target import Target

_TORCH = str(Path(torch.__file__).parent)


def values(target: Target) -> Tally:
    """Values, in-place effects, dtype, shape and strides; what shares memory with an argument; warnings."""

    def compare(sample: Sample) -> None:
        theirs, their_warnings = of_torch(lambda: _heard(target.builtin, sample))
        ours, our_warnings = _heard(target.implementation, sample)
        check_same(ours.output, theirs.output, "value")
        check_same(ours.arguments, theirs.arguments, "arguments afterwards", strides=False)
        check_same(_shared(ours), _shared(theirs), "arguments whose memory the result shares")
        check_same([kind for kind, _ in our_warnings], [kind for kind, _ in their_warnings], "warnings")
        # some of torch's own point to a file of torch's, where the caller has nothing to mend
        if not any(file.startswith(_TORCH) for _, file in their_warnings):
            check_same(our_warnings, their_warnings, "warnings, and where they point to")

    return each(target.samples(thinned=False), compare)


def _heard(function: Callable, sample: Sample) -> tuple[Outcome, list[tuple[str, str]]]:
    """The outcome, and the warnings: the kind of each, and the file that it points to."""
    with warnings.catch_warnings(record=True, action="always") as heard:
        outcome = run(function, sample.args, sample.kwargs)
    # those from within torch's C++ come once in a process
    own = [w for w in heard if "Triggered internally" not in str(w.message)]
    return outcome, sorted((w.category.__name__, w.filename) for w in own)


def _shared(outcome: Outcome) -> list[int]:
    results, arguments = (
        [t.untyped_storage()._cdata if isinstance(t, Tensor) else None for t in tree_flatten(value)[0]]
        for value in (outcome.output, outcome.arguments)
    )
    return [index for index, memory in enumerate(arguments) if memory is not None and memory in results]


def first_derivatives(target: Target) -> Tally:
    """Gradients by all inputs, for a random upstream gradient; of some samples by each input alone, too."""
    every = list(target.samples(thinned=False))
    apart = few((sample for sample in every if len(leaves_of(sample)) > 1), 8)

    def compare(sample: Sample) -> None:
        expected = of_torch(
            lambda: gradients(run(target.builtin, sample.args, sample.kwargs)), "torch has no derivative"
        )
        if not expected:
            raise NotApplicable("nothing to differentiate")
        received = gradients(run(target.implementation, sample.args, sample.kwargs))
        check_same(received, expected, "gradient", noise=NOISE, strides=False)
        for number, gradient in enumerate(expected if any(sample is one for one in apart) else ()):
            if gradient is not None:
                check = partial(_check_alone, sample, number, gradient)
                unless_torch_fails(check, target.implementation, target.builtin, "nor has torch each gradient alone")

    return each(every, compare)


def _check_alone(sample: Sample, number: int, expected: Tensor, function: Callable) -> None:
    """The gradient by one input, where no other asks for its own."""
    received = gradients(run(function, *_asking_for(sample, number)))
    check_same(received, [expected], f"gradient by input {number} alone", noise=NOISE, strides=False)


def _asking_for(sample: Sample, number: int) -> tuple[tuple, dict]:
    """The arguments, of which only one asks for a gradient."""
    asking = leaves_of(sample)[number]

    def only(value: Any) -> Any:
        return value.detach() if isinstance(value, Tensor) and value is not asking else value

    return tree_map(only, (sample.args, dict(sample.kwargs)))


def shifted_and_scaled(target: Target) -> Tally:
    """Values and gradients again with the first input × 100, + 10 and + 100, where overflow and cancellation show."""

    def compare(sample: Sample) -> None:
        if not sample.args or not isinstance(sample.args[0], Tensor):
            raise NotApplicable("the first argument is no tensor")
        inside = False
        # a gradient that cancels to nothing, as that of a softmax which has come to be all or nothing, leaves the
        # rounding of its terms: as large as the gradients of the sample as it is, and growing with the input
        size = max(1.0, _largest(or_none(lambda: gradients(run(target.builtin, sample.args, sample.kwargs))) or []))
        for what, change in (("× 100", lambda x: x * 100), ("+ 10", lambda x: x + 10), ("+ 100", lambda x: x + 100)):
            first = sample.args[0]
            args = (change(first.detach()).requires_grad_(first.requires_grad), *sample.args[1:])
            theirs = or_none(lambda args=args: run(target.builtin, args, sample.kwargs))
            if theirs is None:
                continue  # outside of the function's domain
            noise = NOISE * size * max(1.0, _largest([args[0]]) / max(1.0, _largest([first])))
            inside = True
            ours = run(target.implementation, args, sample.kwargs)
            check_same(ours.output, theirs.output, f"value, input {what}")
            expected = or_none(lambda theirs=theirs: gradients(theirs))
            if expected is not None:
                check_same(gradients(ours), expected, f"gradient, input {what}", noise=noise, strides=False)
        if not inside:
            raise NotApplicable("torch refuses it")

    return each(target.samples(), compare)


def _largest(tensors: Sequence[Tensor | None]) -> float:
    """The largest magnitude among the finite numbers."""
    dense = [x.detach().to_dense() for x in tensors if x is not None and x.numel()]
    sizes = [(x if x.is_complex() else x.double()).abs().nan_to_num(posinf=0.0).max().item() for x in dense]
    return max(sizes, default=0.0)


def layouts(target: Target) -> Tally:
    """Values, gradients and strides for scattered and channels-last inputs and for expanded upstream gradients."""

    def compare(sample: Sample) -> None:
        for layout in (scattered, channels_last, reversed_axes):
            theirs = or_none(lambda layout=layout: run(target.builtin, sample.args, sample.kwargs, layout=layout))
            if theirs is None:
                continue  # torch refuses it
            ours = run(target.implementation, sample.args, sample.kwargs, layout=layout)
            # torch keeps no promise about the strides that follow from other layouts; ours follow it where they can
            followed = layout is reversed_axes and target.tier is not None and target.device == "cpu"
            strides = layout is channels_last or followed
            check_same(ours.output, theirs.output, f"value, {layout.__name__}", strides=strides)
            # what is to be differentiated again may be computed in another way
            ways = (None, False), (scattered, False), (_expanded, False), (None, True)
            for upstream_layout, again in ways:
                gradient = partial(gradients, retain_graph=True, create_graph=again, layout=upstream_layout)
                expected = or_none(lambda gradient=gradient, theirs=theirs: gradient(theirs))
                if expected is not None:
                    received, expected = (
                        [g.detach() for g in grads if g is not None] for grads in (gradient(ours), expected)
                    )
                    check_same(received, expected, f"gradient, {layout.__name__}", noise=NOISE, strides=False)

    return each(target.samples(), compare)


def _expanded(x: Tensor) -> Tensor:
    return x.mean().expand(x.shape)


_KEPT = {
    "scaled_dot_product_attention": "the result is kept for the backward pass, as by torch's kernels, but for those of "
    "float64 on CUDA, and some of 2.11"
}
"""Of what the result may not be written to, although torch, by its release and the device, may allow it."""


def overwritten(target: Target) -> Tally:
    """What follows may write to the result, as ``ReLU(inplace=True)`` does, and to gradients, where torch's own may."""

    def written(function: Callable, sample: Sample) -> tuple[list, list]:
        result = called(function, sample)
        for y in result.differentiable:
            y.mul_(2)
        grads = gradients(result)
        for grad in grads:
            if grad is not None:
                grad.mul_(2)
        return result.differentiable, grads

    def compare(sample: Sample) -> None:
        expected = of_torch(lambda: written(callable_of(target, sample, theirs=True), sample), "nor torch's own")
        if not expected[0]:
            raise NotApplicable("nothing to differentiate")
        try:
            received = written(callable_of(target, sample), sample)
        except RuntimeError as error:
            if target.part.name in _KEPT and "modified by an inplace operation" in str(error):
                raise NotApplicable(_KEPT[target.part.name]) from error
            raise
        check_same(received, expected, "written to, value and gradient", noise=NOISE, strides=False)

    return each(target.samples(), compare)


def error_inputs(target: Target) -> Tally:
    """What torch refuses is refused, with torch's type of exception; in our own tiers in four parts, or its words."""
    refused = list(target.refused())
    # a tier may come from another package
    is_ours = target.tier not in (None, "naive") and target.implementation.__module__.startswith("conceptlab.")

    def compare(sample: Sample) -> None:
        expected = next(kind for other, kind in refused if other is sample)
        try:
            with warnings.catch_warnings(action="ignore"):  # torch may warn before it refuses
                target.implementation(*sample.args, **sample.kwargs)
        except expected as error:
            if is_ours and not re.search("expected .*received ", str(error), re.DOTALL):
                _check_words(str(error), target, sample)
            return
        except Exception as error:
            raise Mismatch(f"expected {expected.__name__}, received {error!r}") from error
        raise Mismatch(f"expected {expected.__name__}, and it was accepted")

    return each((sample for sample, _ in refused), compare)


def _check_words(text: str, target: Target, sample: Sample) -> None:
    """That a message which is not in four parts has three of torch's words, as that of an operation has."""
    expected = ""
    with warnings.catch_warnings(action="ignore"):
        try:
            target.builtin(*sample.args, **sample.kwargs)
        except Exception as error:
            expected = str(error)
    if len(telling_words(text) & telling_words(expected)) < 3:
        raise Mismatch(f"expected a message in the four parts of conceptlab.core.message, received {text!r}")


def purity(target: Target) -> Tally:
    """Forward, backward and double backward are made of elementary operations, none of which is torch.nn's."""

    def check(sample: Sample) -> None:
        of_torch(lambda: run(target.builtin, sample.args, sample.kwargs))  # what torch's own warns of is no news
        try:
            found = foreign_operations(target.implementation, sample.args, sample.kwargs, target.part.concept)
        except Exception:
            # everything gets a gradient there, which not every call can have: no result is written to what is given
            of_torch(lambda: foreign_operations(target.builtin, sample.args, sample.kwargs), "torch has no derivative")
            raise
        if found:
            raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found}")

    return each(target.samples(), check)
