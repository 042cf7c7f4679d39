"""Below the classes of transforms: the functions of a tier, called by themselves, and the derivative by the pixels."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation import samples as concept_samples
from conceptlab.core import registry
from conceptlab.core.namespace import all_tiers
from conceptlab.core.samples import Sample
from conceptlab.verify.calls import Outcome, gradients, reseed, run
from conceptlab.verify.closeness import Mismatch, check_same, shapes
from conceptlab.verify.pixels import IMAGES, IN_SINGLE, MIXING, check_pixels, check_words, pair, quiet, settings_of
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target

_OF_BATCHES = {"mixup", "cutmix"}
_BATCHES = ("batch", "float32", "channels-last")
_USUAL = ("uint8", "float64")
_INTERPOLATIONS = {mode.value for mode in InterpolationMode}


def functions(target: Target) -> Tally:
    """Its functions, called by themselves, give torchvision's pixels, change their input and refuse as it does."""
    return _each_function(target, _calls, partial(_compare, target))


def function_gradients(target: Target) -> Tally:
    """The gradients of its functions by the pixels, for a random upstream one: torchvision's, or the definition's."""
    definitions = all_tiers(registry.concepts[target.part.concept].family)["naive"].functions()

    def compare(name: str, ours: Callable, theirs: Callable, sample: Sample) -> None:
        try:
            _compare_gradients(name, ours, theirs, sample)
        except NotApplicable:
            # torchvision works in place where its own derivative needs the value, in places
            if target.tier == "naive":
                raise
            _compare_gradients(name, ours, definitions[name], sample)

    return _each_function(target, _differentiable_calls, compare)


def functions_elsewhere(target: Target) -> Tally:
    """Its functions stay on the image's device: on the meta device, and on CUDA for fake tensors, as torchvision's."""

    def compare(_: str, ours: Callable, theirs: Callable, sample: Sample) -> None:
        if isinstance(_outcome(theirs, sample), Exception):
            raise NotApplicable("torch refuses it")
        is_compared = False
        for device, mode in (("meta", contextlib.nullcontext()), ("cuda", FakeTensorMode())):
            with mode:
                args, kwargs = tree_map(partial(_without_values, device=device), (sample.args, dict(sample.kwargs)))
                expected = or_none(lambda args=args, kwargs=kwargs: quiet(lambda: run(theirs, args, kwargs)))
                if expected is not None:
                    received = quiet(lambda args=args, kwargs=kwargs: run(ours, args, kwargs))
                    check_same(shapes(received.output), shapes(expected.output), f"shapes on {device}")
                    is_compared = True
        if not is_compared:
            raise NotApplicable("torch's own needs the values of the pixels")

    return _each_function(target, partial(_calls, kinds=_USUAL), compare)


def _without_values(value: Any, device: str) -> Any:
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)


def pixel_gradients(target: Target) -> Tally:
    """The gradient by the pixels, for a random upstream one and the same draws, is torchvision's."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample.init_kwargs)
        for seed in range(2):
            _compare_gradients(target.part.name, partial(_drawn, ours, seed), partial(_drawn, theirs, seed), sample)

    labels = (torch.arange(2) % 5,) if target.part.name in MIXING else ()
    taken = [
        target.moved_sample(Sample(str(n), (_leaf(), *labels), init_kwargs=setting))
        for n, setting in enumerate(settings_of(target))
        if not setting.get("inplace")  # a leaf cannot be overwritten
    ]
    return each(taken, compare)


def _each_function(target: Target, calls: Callable[[str], Iterator[Sample]], compare: Callable[..., None]) -> Tally:
    concept = registry.concepts[target.part.concept]
    provided = all_tiers(concept.family)[str(target.tier)].functions()
    tally = Tally()
    for name in target.implementation.needs:
        theirs = partial(_understood, concept.builtin(name))
        tally += each(map(target.moved_sample, calls(name)), partial(compare, name, provided[name], theirs))
    return tally


def _calls(name: str, kinds: Iterable[str] = IMAGES) -> Iterator[Sample]:
    for kind in _BATCHES if name in _OF_BATCHES else kinds:
        for number, kwargs in enumerate(concept_samples.FUNCTIONS.get(name, ())):
            yield Sample(f"{name}-{kind}-{number}", (IMAGES[kind](),), copy.deepcopy(kwargs))


def _differentiable_calls(name: str) -> Iterator[Sample]:
    for number, kwargs in enumerate(concept_samples.FUNCTIONS.get(name, ())):
        if not kwargs.get("inplace"):
            yield Sample(f"{name}-{number}", (_leaf(),), copy.deepcopy(kwargs))


def _leaf() -> Tensor:
    return torch.stack([IMAGES["float64"]()[:, :9, :11], IMAGES["float64"]()[:, 4:, 7:]]).requires_grad_()


def _understood(theirs: Callable, *args: Any, **kwargs: Any) -> Any:
    """torchvision's own, which takes an interpolation by its name from some version on."""
    name = kwargs.get("interpolation")
    if name in _INTERPOLATIONS:
        kwargs["interpolation"] = InterpolationMode(name)
    return theirs(*args, **kwargs)


def _drawn(transform: Any, seed: int, *args: Any) -> Any:
    reseed(seed)
    return transform(*args)


def _compare(target: Target, name: str, ours: Callable, theirs: Callable, sample: Sample) -> None:
    expected, received = _outcome(theirs, sample), _outcome(ours, sample)
    if isinstance(expected, Exception) or isinstance(received, Exception):
        _compare_refusals(sample, expected, received)
        return
    check_pixels(received.output, expected.output, "pixels", name)
    check_pixels(received.arguments[0][0], expected.arguments[0][0], "image afterwards", name)
    if target.tier != "naive":  # a definition may copy
        check_same(_shares(received), _shares(expected), "shares its memory with the image")


def _shares(outcome: Outcome) -> bool:
    image, output = outcome.arguments[0][0], outcome.output
    return image.untyped_storage().data_ptr() == output.untyped_storage().data_ptr() and output.numel() > 0


def _compare_refusals(sample: Sample, expected: Any, received: Any) -> None:
    if sample.args[0].numel() == 0:
        raise NotApplicable("torch looks at no pixel of an empty image, and so misses a mistake, or refuses the shape")
    if not isinstance(expected, Exception):
        raise received
    if not isinstance(received, Exception) and _stumbles(sample):
        raise NotApplicable("torchvision cannot, and the definition can")
    if not isinstance(received, type(expected)):
        raise Mismatch(f"expected {expected!r}, received {received!r}")
    check_words(expected, received, sample.kwargs)


def _stumbles(sample: Sample) -> bool:
    """torchvision pads no video symmetrically, and fails where bytes are to become one pixel."""
    image, kwargs = sample.args[0], sample.kwargs
    to_one_pixel = kwargs.get("size") == [1, 1] and image.dtype == torch.uint8
    return to_one_pixel or (image.dim() == 5 and kwargs.get("padding_mode") == "symmetric")


def _outcome(call: Callable, sample: Sample) -> Outcome | Exception:
    try:
        return quiet(lambda: run(call, sample.args, sample.kwargs))
    except REFUSALS as error:
        return error


def _compare_gradients(name: str, ours: Callable, theirs: Callable, sample: Sample) -> None:
    def gradient(call: Callable) -> list[Tensor | None]:
        return quiet(lambda: gradients(run(call, sample.args, sample.kwargs)))

    expected = of_torch(lambda: gradient(theirs))
    if not expected:
        raise NotApplicable("the result does not depend on the pixels")
    bound = 1e-4 if name in IN_SINGLE else 1e-9
    # what shows no pixel may say so: no gradient is one of zeros
    received = gradient(ours) or [torch.zeros_like(g) for g in expected if g is not None]
    check_same(received, expected, "gradient by the pixels", bound=bound, noise=1e-15, strides=False)
