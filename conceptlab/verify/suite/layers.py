"""Layers: construction and state, behaviour over several calls, copies, compilers, devices, refusals."""

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import Outcome, channels_last, gradients, run
from conceptlab.verify.closeness import NOISE, Mismatch, check_same, shapes
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none, unless_torch_fails
from conceptlab.verify.target import Target


def pair(target: Target, sample: Sample) -> tuple[nn.Module, nn.Module]:
    """The target's layer and torch's, built alike."""
    theirs = of_torch(lambda: target.built(sample, of_torch=True))
    return target.built(sample), theirs


def constructed(target: Target) -> Tally:
    """The same parameters, buffers, first values and description; the state goes over in both directions."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        if any(is_lazy(p) for p in theirs.parameters()):  # their first values are drawn at the first input
            for module in (theirs, ours):
                run(module, sample.args, sample.kwargs)
        for what in ("named_parameters", "named_buffers"):
            check_same([n for n, _ in getattr(ours, what)()], [n for n, _ in getattr(theirs, what)()], what)
        check_same(list(ours.state_dict()), list(theirs.state_dict()), "state_dict keys")
        check_same(dict(ours.state_dict()), dict(theirs.state_dict()), "first values", bound=0.0)
        if target.tier is not None:
            _check_description(target, ours, theirs)
        for source, receiver in ((ours, theirs), (theirs, ours)):
            with torch.no_grad():
                for tensor in source.state_dict().values():
                    tensor.add_(1)
            receiver.load_state_dict(source.state_dict(), strict=True)
            check_same(dict(receiver.state_dict()), dict(source.state_dict()), "loaded state", bound=0.0)

    return each(target.samples(), compare)


def _check_description(target: Target, ours: nn.Module, theirs: nn.Module) -> None:
    if not isinstance(ours, target.builtin):
        raise Mismatch(f"expected a subclass of torch's {target.part.name}")
    check_same(ours._version, theirs._version, "_version")
    description = theirs.extra_repr()
    expected = f"{description}, tier={target.tier}" if description else f"tier={target.tier}"
    check_same(ours.extra_repr(), expected, "extra_repr")


def behaviour(target: Target) -> Tally:
    """Values, gradients of inputs and parameters, buffers afterwards; training and evaluation; three calls in a row."""
    training, evaluation = (
        each(target.samples(training=mode), partial(compare_layers, target, training=mode)) for mode in (True, False)
    )
    return training + evaluation


def channels_last_behaviour(target: Target) -> Tally:
    """The same for inputs and weights whose channels lie side by side in memory."""

    def compare(sample: Sample) -> None:
        if not any(isinstance(a, Tensor) and a.dim() in (4, 5) for a in sample.args):
            raise NotApplicable("no images")
        compare_layers(target, sample, training=True, layout=channels_last)

    return each(target.samples(), compare)


def compare_layers(target: Target, sample: Sample, *, training: bool, layout: Any = None) -> None:
    """Values, gradients and buffers of the target's layer and of torch's, over three calls in a row."""
    ours_module, theirs_module = (module.train(training) for module in pair(target, sample))
    for call in range(3):

        def outcome(module: nn.Module) -> Outcome:
            if layout is not None:
                for parameter in module.parameters():
                    parameter.data = layout(parameter.data)
            return _with_parameters(run(module, sample.args, sample.kwargs, layout=layout), module)

        theirs = of_torch(partial(outcome, theirs_module))
        ours = outcome(ours_module)
        check_same(ours.output, theirs.output, f"value, call {call}")
        check_same(ours.arguments, theirs.arguments, "arguments afterwards", strides=False)
        expected = or_none(partial(gradients, theirs))
        if expected is not None:
            check_same(gradients(ours), expected, f"gradient, call {call}", noise=NOISE, strides=False)
        our_buffers, their_buffers = (dict(module.named_buffers()) for module in (ours_module, theirs_module))
        check_same(our_buffers, their_buffers, f"buffers after call {call}")
        if any(buffer.requires_grad for buffer in our_buffers.values()):
            raise Mismatch("a buffer keeps the graph of the call")


def _with_parameters(outcome: Outcome, module: nn.Module) -> Outcome:
    outcome.leaves.extend(p for p in module.parameters() if p.requires_grad)
    return outcome


def copied(target: Target) -> Tally:
    """``deepcopy``, ``pickle`` and ``torch.save`` give the same layer, in the same tier."""

    def compare(sample: Sample) -> None:
        ours, theirs = (module.eval() for module in pair(target, sample))
        of_torch(lambda: run(theirs, sample.args, sample.kwargs))

        def check(original: nn.Module) -> None:
            expected = run(original, sample.args, sample.kwargs).output
            copies = {"deepcopy": copy.deepcopy(original)}
            # a class that a function makes cannot be found again by its name
            if "<locals>" not in type(original).__qualname__:
                saved = io.BytesIO()
                torch.save(original, saved)
                saved.seek(0)
                copies["pickle"] = pickle.loads(pickle.dumps(original))
                copies["torch.save"] = torch.load(saved, weights_only=False)  # our own bytes, written two lines above
            for how, twin in copies.items():
                check_same(getattr(twin, "tier", None), getattr(original, "tier", None), f"tier after {how}")
                check_same(run(twin, sample.args, sample.kwargs).output, expected, f"value after {how}", bound=0.0)

        unless_torch_fails(check, ours, theirs, "torch's own cannot be copied")

    return each(_kinds(target), compare)


def compiled_layer(target: Target) -> Tally:
    """``torch.compile`` takes the layer whole, forward and backward."""

    def compare(sample: Sample) -> None:
        if sample.init_kwargs.get("inplace", False) or True in sample.init_args:
            raise NotApplicable("in place a leaf cannot be written to; the function's own check covers it")

        def outcome(call: Callable, module: nn.Module) -> Outcome:
            return _with_parameters(run(call, sample.args, sample.kwargs, leaves_first=True), module)

        ours, torchs = pair(target, sample)
        eager = copy.deepcopy(torchs)
        theirs = of_torch(lambda: outcome(eager, eager))
        expected = or_none(lambda: gradients(theirs))

        def check(module: nn.Module) -> None:
            torch.compiler.reset()
            received = outcome(torch.compile(module, fullgraph=True, backend="aot_eager"), module)
            check_same(received.output, theirs.output, "compiled value", strides=False)
            if expected is not None:
                check_same(gradients(received), expected, "compiled gradient", noise=NOISE, strides=False)

        unless_torch_fails(check, ours, torchs, "torch's own does not compile whole")

    return each(_kinds(target), compare)


def on_meta(target: Target) -> Tally:
    """Construction, shapes and dtypes on the meta device."""

    def compare(sample: Sample) -> None:
        modules = [module.to("meta") for module in pair(target, sample)]
        args = tuple(a.detach().to("meta") if isinstance(a, Tensor) else a for a in sample.args)
        theirs = of_torch(lambda: modules[1](*args, **sample.kwargs), "torch has no meta device for it")
        ours = modules[0](*args, **sample.kwargs)
        check_same(shapes(ours), shapes(theirs), "meta device")

    return each(target.samples(), compare)


def pure(target: Target) -> Tally:
    """Forward, backward and double backward are made of elementary operations, none of which is torch.nn's."""

    def check(sample: Sample) -> None:
        module, torchs = pair(target, sample)
        ours = foreign_operations(module, sample.args, sample.kwargs, target.part.concept)
        # torch's own may lack the second derivative, and is asked for its forward pass alone
        concept = target.part.concept
        theirs = or_none(lambda: foreign_operations(torchs, sample.args, sample.kwargs, concept, twice=False)) or {}
        # a number is looked at only where torch's own layer does: momentum=None counts batches, a mask may be causal
        looked_at = set(theirs.get("forward", ())) & {"_local_scalar_dense"}
        if found := {phase: names for phase, names in ours.items() if set(names) - looked_at}:
            raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found}")

    return each(_kinds(target), check)


def refused(target: Target) -> Tally:
    """What torch's class refuses is refused, with torch's type of exception."""
    cases = list(torch_samples.class_error_samples(target.part, torch.float64))

    def compare(sample: Sample) -> None:
        expected = next(kind for other, kind, _ in cases if other is sample)
        extra = {"tier": target.tier} if target.tier else {}
        try:
            with warnings.catch_warnings(action="ignore"):  # torch may warn before it refuses
                module = target.implementation(*sample.init_args, **sample.init_kwargs, **extra)
                module(*sample.args, **sample.kwargs)
        except expected:
            return
        except Exception as error:
            raise Mismatch(f"expected {expected.__name__}, received {error!r}") from error
        raise Mismatch(f"expected {expected.__name__}, and it was accepted")

    return each((sample for sample, _, _ in cases), compare)


def _kinds(target: Target) -> Iterator[Sample]:
    """A few samples that differ in the constructor's arguments or the input's rank."""
    kinds: dict[Any, Sample] = {}
    for sample in target.samples():
        ranks = tuple(a.dim() for a in sample.args if isinstance(a, Tensor))
        kinds.setdefault((tuple(sorted(sample.init_kwargs)), len(sample.init_args), ranks), sample)
    return iter(list(kinds.values())[:4])
