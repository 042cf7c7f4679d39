"""Transforms: what they draw, and the pixels that they make of it."""

import copy
import io
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten
from torchvision import tv_tensors
from torchvision.transforms import v2

from conceptlab.core.samples import Sample
from conceptlab.swapping.audit import foreign_operations
from conceptlab.verify.calls import reseed
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.pixels import (
    IMAGES,
    MIXING,
    built,
    check_pixels,
    check_words,
    pair,
    quiet,
    run_seeded,
    samples,
    settings_of,
    usual_kinds,
)
from conceptlab.verify.steps import argument_names
from conceptlab.verify.suite.transform_functions import (
    function_gradients,
    functions,
    functions_elsewhere,
    pixel_gradients,
)
from conceptlab.verify.tally import REFUSALS, NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target
from conceptlab.verify.transform_settings import REFUSED


def _compare(target: Target, sample: Sample, seeds: Iterable[int]) -> None:
    ours, theirs = pair(target, sample.init_kwargs)
    taken = False
    for seed in seeds:
        expected = or_none(lambda seed=seed: run_seeded(theirs, sample, seed))
        if expected is None:
            continue
        taken = True
        received = run_seeded(ours, sample, seed)
        check_same(torch.equal(received.state, expected.state), True, f"seed {seed}: as many numbers drawn as by torch")
        _check_all(received.results, expected.results, f"seed {seed}", target)
        _check_all(received.inputs, expected.inputs, f"seed {seed}, input afterwards", target)
    if not taken:
        raise NotApplicable("torch refuses it")


def _check_all(received: list[Any], expected: list[Any], where: str, target: Target) -> None:
    check_same(len(received), len(expected), f"{where}: number of results")
    for a, b in zip(received, expected, strict=True):
        check_pixels(a, b, where, target.part.name)


def values(target: Target) -> Tally:
    """torchvision's draws, as many of them, and its pixels, over seeds, dtypes, batches and videos."""
    return each(samples(target, usual_kinds(target)), lambda sample: _compare(target, sample, range(4)))


def images(target: Target) -> Tally:
    """The same for grey, flat, empty, strided images, of two channels, of 16 bits."""
    others = [kind for kind in IMAGES if kind not in usual_kinds(target)]
    if target.part.name in MIXING:
        others = ["channels-last"]
    return each(samples(target, others), lambda sample: _compare(target, sample, (0,)))


def nested(target: Target) -> Tally:
    """In a dict or tuple images and videos stay what they are, and what is no image passes."""
    image = tv_tensors.Image(IMAGES["float64"]())
    video = tv_tensors.Video(IMAGES["video"]().double() / 255)
    batch = tv_tensors.Image(IMAGES["batch"]().double())
    inputs = [{"x": image, "label": 3}, (video, "name", torch.ones(3)), [torch.rand(3, 9, 9), torch.ones(2)]]
    if target.part.name in MIXING:
        inputs = [{"images": batch, "labels": torch.eye(4, 5, dtype=torch.float64), "id": "a"}]

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample.init_kwargs)
        expected = of_torch(lambda: run_seeded(theirs, sample, 0).results)
        received = run_seeded(ours, sample, 0).results
        check_same([type(x).__name__ for x in received], [type(x).__name__ for x in expected], "kinds")
        _check_all(_plain(received), _plain(expected), "pixels", target)

    setting = settings_of(target)[0]
    cases = [Sample(f"nested-{n}", (i,), init_kwargs=setting) for n, i in enumerate(inputs)]
    return each(map(target.moved_sample, cases), compare)


def _plain(results: list[Any]) -> list[Any]:
    return [x.as_subclass(Tensor) if isinstance(x, Tensor) else x for x in results]


def refused(target: Target) -> Tally:
    """What torchvision refuses, as an argument or as an image, is refused, with its exception and key words."""

    def refusal(make: Callable, sample: Sample) -> Exception | None:
        try:
            run_seeded(quiet(make), sample, 0)
        except REFUSALS as error:
            return error
        return None

    def theirs(sample: Sample) -> Exception | None:
        return refusal(lambda: target.builtin(**copy.deepcopy(sample.init_kwargs)), sample)

    def compare(sample: Sample) -> None:
        if sample.name not in told and str(sample.init_kwargs) not in taken:
            raise NotApplicable("this torchvision has no such setting: it takes it for no image")
        expected = next(error for other, error in refusals if other is sample)
        received = refusal(lambda: built(target, sample.init_kwargs), sample)
        if received is None or type(received) is not type(expected):
            raise Mismatch(f"expected {expected!r}, received {received!r}") from received
        check_words(expected, received, argument_names(target.builtin))

    usual = list(samples(target, usual_kinds(target)))
    told = {f"arguments-{number}": setting for number, setting in enumerate(REFUSED.get(target.part.name, ()))}
    candidates = usual + [Sample(name, usual[0].args, init_kwargs=setting) for name, setting in told.items()]
    asked = [(sample, theirs(sample)) for sample in candidates]
    taken = {str(sample.init_kwargs) for sample, error in asked if error is None}
    refusals = [(sample, error) for sample, error in asked if error is not None]
    return each((sample for sample, _ in refusals), compare)


def constructed(target: Target) -> Tally:
    """The constructor takes torchvision's arguments; of a tier, the description is torchvision's and the tier."""
    expected = argument_names(target.builtin)

    def compare(sample: Sample) -> None:
        if missing := sorted(expected - argument_names(target.implementation)):
            raise Mismatch(f"constructor: expected torchvision's arguments, received none named {', '.join(missing)}")
        ours, theirs = pair(target, sample.init_kwargs)
        if target.tier is not None:
            if not isinstance(ours, target.builtin):
                raise Mismatch(f"expected a subclass of torchvision's {target.part.name}")
            described = [*filter(None, [theirs.extra_repr()]), f"tier={target.tier}"]
            check_same(ours.extra_repr(), ", ".join(described), "extra_repr")

    return each([Sample(str(n), init_kwargs=setting) for n, setting in enumerate(settings_of(target))], compare)


def copied(target: Target) -> Tally:
    """``deepcopy``, ``pickle`` and ``torch.save`` give the same transform, in the same tier."""

    def compare(sample: Sample) -> None:
        original, theirs = pair(target, sample.init_kwargs)
        of_torch(lambda: run_seeded(theirs, sample, 0))
        expected = run_seeded(original, sample, 0).results
        file = io.BytesIO()
        torch.save(original, file)
        file.seek(0)
        copies = {
            "deepcopy": copy.deepcopy(original),
            "pickle": pickle.loads(pickle.dumps(original)),
            "torch.save": torch.load(file, weights_only=False),  # our own bytes, written above
        }
        for how, twin in copies.items():
            check_same(getattr(twin, "tier", None), getattr(original, "tier", None), f"tier after {how}")
            check_same(run_seeded(twin, sample, 0).results, expected, f"pixels after {how}", bound=0.0)

    return each(samples(target, usual_kinds(target)), compare)


def params_and_transform(target: Target) -> Tally:
    """``transform`` with what ``make_params`` drew is torchvision's, where the class has the two."""

    def by_hand(transform: Any, image: Tensor) -> Any:
        reseed(0)
        return quiet(lambda: transform.transform(image.clone(), transform.make_params([image])))

    def compare(sample: Sample) -> None:
        if target.part.name in MIXING or target.part.name.startswith("Sanitize"):
            raise NotApplicable("its parameters hold the labels, which its forward looks for")
        if not issubclass(target.implementation, v2.Transform):
            raise NotApplicable("it is no torchvision.transforms.v2.Transform, which has the two methods")
        ours, theirs = pair(target, sample.init_kwargs)
        expected = of_torch(lambda: quiet(lambda: by_hand(theirs, sample.args[0])), "torchvision's has no such methods")
        received = quiet(lambda: by_hand(ours, sample.args[0]))
        check_same(type(received).__name__, type(expected).__name__, "kind")
        for a, b in zip(tree_flatten(received)[0], tree_flatten(expected)[0], strict=True):
            check_pixels(a, b, "pixels", target.part.name)

    return each(samples(target, usual_kinds(target)), compare)


def purity(target: Target) -> Tally:
    """It is made of elementary operations, none of which is torchvision's."""
    # the draws become Python's numbers, as in torchvision; those of MixUp and CutMix come from a Beta distribution
    allowed = {"_local_scalar_dense", "_sample_dirichlet"}

    def check(sample: Sample) -> None:
        always = {"p": 1.0} if "p" in sample.init_kwargs or "p" in argument_names(target.builtin) else {}
        reseed(0)
        args = copy.deepcopy(sample.args)
        transform = built(target, {**sample.init_kwargs, **always})
        found = {name for names in quiet(lambda: foreign_operations(transform, args)).values() for name in names}
        if found - allowed:
            raise Mismatch(f"expected the operations of conceptlab.swapping.audit.PRIMITIVES, ran {found - allowed}")

    taken = [s for s in samples(target, ("float32",)) if _taken(target, s)]
    return each(taken, check)


def _taken(target: Target, sample: Sample) -> bool:
    try:
        _compare(Target(target.part, target.builtin), sample, (0,))
    except NotApplicable:
        return False
    return True


CHECKS = (
    values,
    images,
    nested,
    pixel_gradients,
    functions,
    functions_elsewhere,
    function_gradients,
    refused,
    constructed,
    copied,
    params_and_transform,
    purity,
)
"""The telling ones first."""
