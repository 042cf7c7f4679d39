"""The checks of a layer: each compares a tier with torch's own class, on all samples."""

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from conceptlab.core import Part, Tiered, registry
from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import SEED, Outcome, channels_last, gradients, run
from conceptlab.verify.closeness import NOISE, Mismatch, check_same
from conceptlab.verify.function_checks import each, or_none

Check = Callable[[Part, str], int]


def samples(part: Part, dtype: torch.dtype = torch.float64, *, training: bool = True) -> Iterator[Sample]:
    """PyTorch's samples of a class part, then the concept's own."""
    yield from torch_samples.class_samples(part, dtype, training=training)
    own = registry.samples(part.concept)
    if own is not None and hasattr(own, "samples"):
        yield from own.samples(part.name, dtype)


def layer(cls: type, sample: Sample, **extra: Any) -> nn.Module:
    """A layer built as the sample says, seeded, in float64."""
    torch.manual_seed(SEED)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return cls(*sample.init_args, **{**sample.init_kwargs, **extra})
    finally:
        torch.set_default_dtype(default)


def pair(part: Part, tier: str, sample: Sample) -> tuple[nn.Module, nn.Module]:
    """The tier's layer and torch's, built alike."""
    # a user's own class has no tiers
    extra = {"tier": tier} if issubclass(part.tiers[tier], Tiered) else {}
    return layer(part.tiers[tier], sample, **extra), layer(part.torch, sample)


def constructed(part: Part, tier: str) -> int:
    """The same parameters, buffers, first values and description; the state goes over in both directions."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(part, tier, sample)
        if not isinstance(ours, part.torch):
            raise Mismatch(f"expected a subclass of torch's {part.name}")
        for what in ("named_parameters", "named_buffers"):
            check_same([n for n, _ in getattr(ours, what)()], [n for n, _ in getattr(theirs, what)()], what)
        check_same(list(ours.state_dict()), list(theirs.state_dict()), "state_dict keys")
        check_same(dict(ours.state_dict()), dict(theirs.state_dict()), "first values", bound=0.0)
        check_same(ours._version, theirs._version, "_version")
        description = theirs.extra_repr()
        check_same(ours.extra_repr(), f"{description}, tier={tier}" if description else f"tier={tier}", "extra_repr")
        for source, target in ((ours, theirs), (theirs, ours)):
            with torch.no_grad():
                for tensor in source.state_dict().values():
                    tensor.add_(1)
            target.load_state_dict(source.state_dict(), strict=True)
            check_same(dict(target.state_dict()), dict(source.state_dict()), "loaded state", bound=0.0)

    return each(samples(part), compare)


def behaviour(part: Part, tier: str) -> int:
    """Values, gradients of inputs and parameters, buffers afterwards; training and evaluation; three calls in a row."""
    return sum(
        each(samples(part, training=training), partial(compare_layers, part, tier, training=training))
        for training in (True, False)
    )


def channels_last_behaviour(part: Part, tier: str) -> int:
    """The same for inputs and weights whose channels lie side by side in memory."""

    def compare(sample: Sample) -> None:
        if any(isinstance(a, Tensor) and a.dim() in (4, 5) for a in sample.args):
            compare_layers(part, tier, sample, training=True, layout=channels_last)

    return each(samples(part), compare)


def compare_layers(part: Part, tier: str, sample: Sample, *, training: bool, layout: Any = None) -> None:
    """Values, gradients and buffers of the tier's layer and of torch's, over three calls in a row."""
    modules = [module.train(training) for module in pair(part, tier, sample)]
    for call in range(3):
        results = []
        for module in modules:
            if layout is not None:
                for parameter in module.parameters():
                    parameter.data = layout(parameter.data)
            results.append(_with_parameters(run(module, sample.args, sample.kwargs, layout=layout), module))
        ours, theirs = results
        check_same(ours.output, theirs.output, f"value, call {call}")
        check_same(ours.arguments, theirs.arguments, "arguments afterwards", strides=False)
        expected = or_none(lambda theirs=theirs: gradients(theirs))
        if expected is not None:
            check_same(gradients(ours), expected, f"gradient, call {call}", noise=NOISE, strides=False)
        our_buffers, their_buffers = (dict(module.named_buffers()) for module in modules)
        check_same(our_buffers, their_buffers, f"buffers after call {call}")
        if any(buffer.requires_grad for buffer in our_buffers.values()):
            raise Mismatch("a buffer keeps the graph of the call")


def _with_parameters(outcome: Outcome, module: nn.Module) -> Outcome:
    outcome.leaves.extend(p for p in module.parameters() if p.requires_grad)
    return outcome


def copied(part: Part, tier: str) -> int:
    """``deepcopy``, ``pickle`` and ``torch.save`` give the same layer, in the same tier."""

    def compare(sample: Sample) -> None:
        original = layer(part.tiers[tier], sample, tier=tier).eval()
        expected = run(original, sample.args, sample.kwargs).output
        saved = io.BytesIO()
        torch.save(original, saved)
        saved.seek(0)
        copies = {
            "deepcopy": copy.deepcopy(original),
            "pickle": pickle.loads(pickle.dumps(original)),
            "torch.save": torch.load(saved, weights_only=False),  # our own bytes, written three lines above
        }
        for how, twin in copies.items():
            check_same(twin.tier, tier, f"tier after {how}")
            check_same(run(twin, sample.args, sample.kwargs).output, expected, f"value after {how}", bound=0.0)

    return each(_kinds(part), compare)


def compiled(part: Part, tier: str) -> int:
    """``torch.compile`` takes the layer whole, forward and backward."""

    def compare(sample: Sample) -> None:
        torch.compiler.reset()
        module, torchs = pair(part, tier, sample)
        whole: Any = torch.compile(module, fullgraph=True, backend="aot_eager")
        inplace = sample.init_kwargs.get("inplace", False) or True in sample.init_args
        if inplace:
            return  # a leaf cannot be written to; the function's own check covers it
        ours, theirs = (
            _with_parameters(run(module, sample.args, sample.kwargs, leaves_first=True), module)
            for module in (whole, torchs)
        )
        check_same(ours.output, theirs.output, "compiled value", strides=False)
        check_same(gradients(ours), gradients(theirs), "compiled gradient", noise=NOISE, strides=False)

    return each(_kinds(part), compare)


def on_meta(part: Part, tier: str) -> int:
    """Construction, shapes and dtypes on the meta device."""

    def compare(sample: Sample) -> None:
        modules = [module.to("meta") for module in pair(part, tier, sample)]
        args = tuple(a.detach().to("meta") if isinstance(a, Tensor) else a for a in sample.args)
        theirs = or_none(lambda: modules[1](*args, **sample.kwargs))
        if theirs is None:
            return
        ours = modules[0](*args, **sample.kwargs)
        received, expected = (
            [(tuple(t.shape), t.dtype, t.device.type) for t in (o if isinstance(o, tuple) else (o,))]
            for o in (ours, theirs)
        )
        check_same(received, expected, "meta device")

    return each(samples(part), compare)


def refused(part: Part, tier: str) -> int:
    """What torch's class refuses is refused, with torch's type of exception."""
    count = 0
    for sample, error_type, _ in torch_samples.class_error_samples(part, torch.float64):
        count += 1
        try:
            with warnings.catch_warnings(action="ignore"):  # torch may warn before it refuses
                module = part.tiers[tier](*sample.init_args, **sample.init_kwargs, tier=tier)
                module(*sample.args, **sample.kwargs)
        except error_type:
            continue
        raise Mismatch(f"{sample.name}: expected {error_type.__name__}, and it was accepted")
    return count


def _kinds(part: Part) -> Iterator[Sample]:
    """A few samples that differ in the constructor's arguments or the input's rank."""
    kinds: dict[Any, Sample] = {}
    for sample in samples(part):
        ranks = tuple(a.dim() for a in sample.args if isinstance(a, Tensor))
        kinds.setdefault((tuple(sorted(sample.init_kwargs)), len(sample.init_args), ranks), sample)
    return iter(list(kinds.values())[:4])


CHECKS: tuple[Check, ...] = (
    constructed,
    behaviour,
    channels_last_behaviour,
    copied,
    compiled,
    on_meta,
    refused,
)
NAIVE_CHECKS: tuple[Check, ...] = (constructed, behaviour, copied)
