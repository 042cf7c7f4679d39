"""Layers that have other layers inside."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from conceptlab.core.concept import Part
from conceptlab.core.held import HeldFunction, held_functions
from conceptlab.core.module import Tiered
from conceptlab.core.namespace import namespace
from conceptlab.core.registry import registry


class Composed(Tiered):
    """Mixin of a layer whose constructor makes other layers: those, too, are of its tier.

    torch's constructor makes torch's own and draws their first weights; then each becomes conceptlab's, as does a
    function that one of them holds. What the constructor was handed stays as it is, but for copies that it made.
    To set ``tier`` afterwards concerns the layer itself; `conceptlab.swap` exchanges all that is inside.

    >>> import conceptlab as cl
    >>> layer = cl.nn.TransformerEncoderLayer(4, 2, tier="naive")
    >>> layer.linear1.tier, layer.activation
    ('naive', <relu, naive>)
    """

    def __init__(self, *args: Any, tier: str = "handmade", **kwargs: Any) -> None:
        super().__init__(*args, tier=tier, **kwargs)
        handed = {id(value) for value in (*args, *kwargs.values())}
        if tier != "builtin" and isinstance(self, nn.Module):
            _give(self, tier, handed, registry.classes)


def _give(module: nn.Module, tier: str, handed: set[int], known: Mapping[type, Part]) -> None:
    """Have what ``module`` holds become conceptlab's; what is conceptlab's already has a tier of its own."""
    for key, function in held_functions(module):
        if not isinstance(vars(module)[key], HeldFunction):
            needs = (registry.spellings[function][0].name,)
            namespace("nn", tier, needs=needs, where=f"{type(module).__name__}.{key}")  # raises where the tier lacks it
            setattr(module, key, HeldFunction(function, tier))
    for child in module.children():
        if id(child) in handed or isinstance(child, Tiered):
            continue
        part = known.get(type(child))
        if part is not None:
            child.__class__ = next(cls for name, cls in part.tiers.items() if name != "builtin")
            child.tier = tier  # type: ignore[assignment]  # raises where the tier lacks it
        _give(child, tier, handed, known)
