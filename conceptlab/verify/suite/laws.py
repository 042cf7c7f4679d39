"""Laws: what has to hold of a part by itself, whatever it is compared with. Each is a check of its own."""

import functools
from collections.abc import Callable
from typing import Any

from torch import nn

from conceptlab.core import registry
from conceptlab.core.samples import Law, Sample
from conceptlab.verify.closeness import check_same
from conceptlab.verify.tally import NotApplicable, Tally, each
from conceptlab.verify.target import Target


def laws_of(target: Target) -> list[Callable[[Target], Tally]]:
    """The laws that the concept of the target lists for its part, each as a check with the law's name and sentence."""
    return [_check(law) for law in target.laws()]


def names_of_laws() -> set[str]:
    """The names of all laws of all concepts."""
    listed = [getattr(registry.samples(concept), "LAWS", {}) for concept in registry.concepts]
    return {law.__name__ for by_part in listed for laws in by_part.values() for law in laws}


def _check(law: Law) -> Callable[[Target], Tally]:
    @functools.wraps(law)
    def check(target: Target) -> Tally:
        def holds(_: Sample) -> None:
            try:
                for received, expected in law(_subject(target)):
                    check_same(received, expected, law.__name__, strides=False)
            except NotImplementedError as error:
                if target.tier not in (None, "naive"):
                    raise
                # a definition, and somebody's own, may do without forward mode
                raise NotApplicable(str(error)) from error

        return each([Sample("by itself")], holds)

    return check


def _subject(target: Target) -> Callable:
    """The function; of a layer, what builds it in float64."""
    if not target.part.is_class:
        return target.implementation

    def build(*args: Any, **kwargs: Any) -> nn.Module:
        return target.built(Sample("by itself", init_args=args, init_kwargs=kwargs))

    return build
