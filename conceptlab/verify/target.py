"""What is verified: an implementation, and torch's own, which it is to be equal to."""

import importlib
import random
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from conceptlab.core import Part, Parts, Tiered, did_you_mean, message, registry
from conceptlab.core.parts import checked_object, import_object
from conceptlab.core.samples import Law, Sample
from conceptlab.verify import samples as own_samples
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import each_once, reseed, run
from conceptlab.verify.elsewhere import moved

Kind = Literal["function", "layer", "optimizer", "scheduler", "initializer", "clipping", "transform"]

HOMES: dict[str, Kind] = {
    "torch.nn": "layer",
    "torch.nn.functional": "function",
    "torch.optim": "optimizer",
    "torch.optim.lr_scheduler": "scheduler",
    "torch.nn.init": "initializer",
    "torch.nn.utils": "clipping",
    "torchvision.transforms.v2": "transform",
}
"""Where torch's own are looked for, and what is found there."""

MANY = 150
"""PyTorch's samples of a part that a check takes at most; where there are more, they repeat themselves."""


_REFUSED_SINCE = {
    ("scaled_dot_product_attention", "less than nothing"),
    ("group_norm", "no channels"),
    ("group_norm", "no values"),
}
"""What our tiers refuse as torch does, but torch 2.11 did not."""

_FATAL_ON_CUDA = {("embedding", "no features"): "torch's kernel reads memory that is not there, and ends the process"}
"""What is not asked on CUDA."""

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Target:
    """An implementation, and the part that it is to stand for.

    Attributes:
        part: torch's own, with its name.
        implementation: the class or function that is verified.
        tier: the tier it is of; None for somebody's own.
        device: where the samples and layers lie.
        dtypes: those in which rounding errors are measured.
    """

    part: Part
    implementation: Any
    tier: str | None = None
    _: KW_ONLY
    device: str = "cpu"
    dtypes: tuple[torch.dtype, ...] = DTYPES

    def __str__(self) -> str:
        own = getattr(self.implementation, "__qualname__", repr(self.implementation))
        return f"{self.part.name}-{self.tier or own}"

    @property
    def builtin(self) -> Any:
        """torch's own class or function; of what torch lacks, the definition's."""
        return self.part.torch

    @property
    def kind(self) -> Kind:
        """What it is."""
        return HOMES.get(self.part.home, "layer" if self.part.is_class else "function")

    def samples(
        self, dtype: torch.dtype = torch.float64, *, thinned: bool = True, training: bool = True, drawing: bool = False
    ) -> Iterator[Sample]:
        """PyTorch's samples, then our own by torch's name, then the concept's.

        Where ``thinned``, at most `MANY` of PyTorch's for a function, drawn from all alike, the same in every run. (It
        concerns ``max_pool1d``, ``max_pool2d`` and ``max_pool3d``, of which PyTorch combines all options with each
        other: 576 to 1 440 samples.)

        Only on a CPU are the same numbers drawn as by torch. On another device those that draw are marked, so that
        `each` leaves them out; where ``drawing``, they are not.
        """
        for sample in self._samples(dtype, thinned=thinned, training=training):
            reason = "" if self.device == "cpu" else self._not_compared(sample, drawing)
            yield replace(sample, by_law=reason) if reason else sample

    def _not_compared(self, sample: Sample, drawing: bool) -> str:
        if (self.part.name, sample.name) in _FATAL_ON_CUDA:
            return _FATAL_ON_CUDA[self.part.name, sample.name]
        draws = not drawing and self.draws(sample)
        return f"on {self.device} random numbers are held to their laws alone" if draws else ""

    def _samples(self, dtype: torch.dtype, *, thinned: bool, training: bool) -> Iterator[Sample]:
        if self.part.is_class:
            yield from torch_samples.class_samples(self.part, dtype, training=training, device=self.device)
        else:
            theirs = list(torch_samples.function_samples(self.part, dtype, self.device))
            if thinned and len(theirs) > MANY:
                # a draw, because every n-th of a combination of all options may have one and the same option
                theirs = [theirs[i] for i in sorted(random.Random(0).sample(range(len(theirs)), MANY))]
            yield from theirs
        yield from map(self.moved_sample, own_samples.samples(self.part.name, dtype))
        own = self._own("samples")
        if own is not None:
            yield from map(self.moved_sample, own(self.part.name, dtype))

    def refused(self) -> Iterator[tuple[Sample, type[Exception]]]:
        """Calls of a function that are refused, each with the type of the exception: PyTorch's samples, then our own.

        The type is torch's; ``NotImplementedError`` for a call that torch does and that our tiers do not.
        """
        yield from torch_samples.function_error_samples(self.part, self.device)
        # a definition may go on where torch refuses; on CUDA torch may refuse less, or end the process
        own = self._own("refused") if self.tier != "naive" and self.device == "cpu" else None
        for sample in own(self.part.name) if own is not None else ():
            try:
                self.builtin(*sample.args, **sample.kwargs)
            except Exception as error:
                yield sample, type(error)
            else:
                if self.tier is not None and (self.part.name, sample.name) not in _REFUSED_SINCE:
                    yield sample, NotImplementedError

    def laws(self) -> tuple[Law, ...]:
        """What has to hold of it by itself."""
        own = self._own("LAWS")
        return () if own is None else own.get(self.part.name, ())

    def _own(self, what: str) -> Any:
        """What the concept's ``samples.py`` offers of that name."""
        module = registry.samples(self.part.concept) if self.part.concept in registry.concepts else None
        return getattr(module, what, None)

    def draws(self, sample: Sample) -> bool:
        """Whether torch's own draws random numbers in this call, on the CPU or on the device."""
        streams = [torch.random] if self.device == "cpu" else [torch.random, torch.get_device_module(self.device)]
        with suppress(Exception), warnings.catch_warnings(action="ignore"):  # it may refuse the call
            function = self.built(sample, of_torch=True) if self.part.is_class else self.builtin
            reseed()
            before = [stream.get_rng_state() for stream in streams]
            run(function, sample.args, sample.kwargs)
            return any(not torch.equal(one.get_rng_state(), was) for one, was in zip(streams, before, strict=True))
        return False

    def moved(self, value: Any) -> Any:
        """The tensors in ``value``, as leaves on the device; one that comes twice is one there, too."""
        if self.device == "cpu":
            return value

        def move(tensor: Tensor) -> Tensor:
            if tensor.device.type != "cpu":
                return tensor
            there = tensor.detach().to(self.device).requires_grad_(tensor.requires_grad)
            return nn.Parameter(there, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else there

        return moved(value, each_once(move))

    def moved_sample(self, sample: Sample) -> Sample:
        """The sample, with its arguments on the device."""
        if self.device == "cpu":
            return sample
        args, kwargs = self.moved((sample.args, dict(sample.kwargs)))
        return replace(sample, args=args, kwargs=kwargs)

    def built(self, sample: Sample, *, of_torch: bool = False) -> nn.Module:
        """The layer, or torch's, built as the sample says, seeded, in float64."""
        cls = self.builtin if of_torch else self.implementation
        extra = {"tier": self.tier} if issubclass(cls, Tiered) and self.tier else {}
        reseed()
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return cls(*sample.init_args, **{**sample.init_kwargs, **extra}).to(self.device)
        finally:
            torch.set_default_dtype(default)


def tier_of(part: Part, tier: str) -> Target:
    """A tier of a part."""
    return Target(part, part.tiers[tier], tier)


def target(implementation: Any, like: Any) -> Target:
    """Somebody's own class or function, as what stands for ``like``.

    Args:
        implementation: the object, or an import path ``module:object``.
        like: torch's class or function, or its name: of torch.nn, torch.nn.functional, torch.nn.init, torch.nn.utils,
            torch.optim and its lr_scheduler, or torchvision.transforms.v2.

    Raises:
        ValueError: torch has no such name, or the import path leads nowhere.
        TypeError: ``implementation`` is of the wrong kind, or cannot be called as torch's own is.
    """
    part = part_like(like)
    if part.name in registry.parts and isinstance(implementation, str) and ":" not in implementation:
        Parts({part.name: implementation})  # refuses what is no tier of it
        return tier_of(part, implementation)
    where = f"verify --like {part.name}"
    return Target(part, _callable_as(part, checked_object(where, part, import_object(where, implementation))))


def _callable_as(part: Part, implementation: Any) -> Any:
    """``implementation``, if it takes the arguments that torch's own requires."""
    theirs, ours = torch_samples.signature(part.torch), torch_samples.signature(implementation)
    if theirs is None or ours is None:
        return implementation  # where Python knows no signature, the samples tell
    parameters = theirs.parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return implementation
    required = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    every = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    try:
        # what torch gives a default may be required here: the samples give it, or fail
        with suppress(TypeError):
            ours.bind(*every)
            return implementation
        ours.bind(*required)
    except TypeError as error:
        raise TypeError(
            message(
                getattr(implementation, "__qualname__", repr(implementation)),
                expected=f"what can be called as torch's {part.name} is, with ({', '.join(required)})",
                received=f"{ours} ({error})",
                remedy="Take torch's arguments; those of your own need a default.",
            )
        ) from error
    return implementation


def _name_of(own: Any) -> str:
    """The name by which torch offers its own; `F.logsigmoid`, for one, calls itself otherwise."""
    name = getattr(own, "__name__", repr(own))
    homes = [vars(importlib.import_module(home)) for home in HOMES]
    if any(home.get(name) is own for home in homes):
        return name
    return next((offered for home in homes for offered, value in home.items() if value is own), name)


def part_like(like: Any) -> Part:
    """The part of that name; where conceptlab has none, torch's own class or function in the form of one."""
    name = like if isinstance(like, str) else _name_of(like)
    found = registry.parts.get(name)
    if found is not None and (isinstance(like, str) or found.torch is like):
        return found
    for home in HOMES:
        own = getattr(importlib.import_module(home), name, None)
        if own is not None and (isinstance(like, str) or own is like):
            return Part(name, "", home, "", own, {"builtin": own})
    known = [n for home in HOMES for n in dir(importlib.import_module(home)) if not n.startswith("_")]
    raise ValueError(
        message(
            "verify --like",
            expected="a name of torch.nn, its functional, init and utils, of torch.optim or torchvision's v2",
            received=repr(like),
            remedy=did_you_mean(name, known),
        )
    )
