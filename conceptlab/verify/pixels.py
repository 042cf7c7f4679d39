"""A transform and torchvision's side by side: images, settings, runs from one seed, and when pixels are the same."""

import copy
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from conceptlab.concepts.augmentation import samples as concept_samples
from conceptlab.core import Tiered
from conceptlab.core.samples import Sample
from conceptlab.verify.calls import reseed, scattered
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.tally import of_torch
from conceptlab.verify.target import Target
from conceptlab.verify.transform_settings import OTHERS

IMAGES = {**concept_samples.IMAGES, "scattered": lambda: scattered(concept_samples.IMAGES["float64"]())}
"""Images, batches and videos by the kind that they are of."""

IN_SINGLE = frozenset({"adjust_hue", "ColorJitter"})
"""What torchvision computes in float32, whatever the image has."""

MIXING = frozenset({"MixUp", "CutMix"})
"""Transforms of a batch and its labels."""


def check_pixels(ours: Any, theirs: Any, where: str, name: str) -> None:
    """As `check_same`; an integer may be one level off, where torch rounds in another way than the exact result.

    Raises:
        Mismatch: they differ by more.
    """
    if isinstance(theirs, Tensor) and theirs.dtype in (torch.uint8, torch.int16):
        for what, a, b in (("kind", type(ours), type(theirs)), ("shape", ours.shape, theirs.shape)):
            if a != b:
                raise Mismatch(f"{where}: expected {what} {b}, received {a}")
        check_same(ours.dtype, theirs.dtype, where)
        off = (ours.int() - theirs.int()).abs()
        # float32 cannot tell the levels of int16 apart as well
        many = 0.1 if theirs.dtype == torch.uint8 else 0.5
        if off.numel() and (off.max() > 1 or off.float().mean() >= many):
            raise Mismatch(f"{where}: {off.max()} levels off, {(off > 0).float().mean():.0%} of the pixels")
        return
    dtype = theirs.dtype if isinstance(theirs, Tensor) else torch.float64
    if dtype == torch.float16:  # torchvision rounds in between, in places
        bound, noise = 2 * torch.finfo(dtype).eps, 0.0
    elif name in IN_SINGLE or dtype == torch.float32:
        bound, noise = 2e-6, 1e-6
    else:
        bound, noise = 1e-9, 1e-15
    check_same(ours, theirs, where, bound=bound, noise=noise, strides=False)


def check_words(expected: Exception, received: Exception, names: Iterable[str]) -> None:
    """The message names the arguments that torchvision's names.

    Raises:
        Mismatch: it does not.
    """
    words = {name for name in names if re.search(rf"\b{name}\b", str(expected))}
    if missing := sorted(word for word in words if word not in str(received)):
        raise Mismatch(f"expected a message that names {missing[0]!r}, received {received}") from received


def built(target: Target, setting: Any) -> Any:
    """The target's transform."""
    extra = {"tier": target.tier} if issubclass(target.implementation, Tiered) and target.tier else {}
    return quiet(lambda: target.implementation(**copy.deepcopy(setting), **extra))


def quiet(call: Callable) -> Any:
    """Call without warnings."""
    with warnings.catch_warnings(action="ignore"):  # of ratios out of order, and of pads larger than the image
        return call()


def pair(target: Target, setting: Any) -> tuple[Any, Any]:
    """The target's transform and torch's, built alike."""
    theirs = of_torch(lambda: quiet(lambda: target.builtin(**copy.deepcopy(setting))))
    return built(target, setting), theirs


def settings_of(target: Target) -> list[dict[str, Any]]:
    """Constructor arguments: the concept's, where it has the part, else our own."""
    name = target.part.name
    return concept_samples.CLASSES.get(name) or OTHERS.get(name) or [{}]


def samples(target: Target, kinds: Iterable[str]) -> Iterator[Sample]:
    """Every setting with every kind of image, and with labels where they are mixed."""
    for kind in kinds:
        image = (
            scattered(concept_samples.IMAGES["float64"]()) if kind == "scattered" else concept_samples.IMAGES[kind]()
        )
        labels = (torch.arange(len(image)) % 5,) if target.part.name in MIXING else ()
        for number, setting in enumerate(settings_of(target)):
            yield target.moved_sample(Sample(f"{kind}-{number}", (image, *labels), init_kwargs=setting))


@dataclass(frozen=True)
class Ran:
    """What one call did.

    Attributes:
        results: the results, flat.
        inputs: the inputs afterwards.
        state: how far the draws went.
    """

    results: list[Any]
    inputs: list[Any]
    state: Tensor


def run_seeded(transform: Any, sample: Sample, seed: int) -> Ran:
    """Call a transform on a copy of the inputs."""
    args = copy.deepcopy(sample.args)
    reseed(seed)
    results = tree_flatten(quiet(lambda: transform(*args)))[0]
    return Ran(results, list(args), torch.get_rng_state())


def usual_kinds(target: Target) -> tuple[str, ...]:
    """The kinds of image that every setting meets, over several seeds."""
    return ("batch", "float32") if target.part.name in MIXING else ("uint8", "float64", "float32", "video")
