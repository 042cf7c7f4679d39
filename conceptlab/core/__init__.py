"""What a concept, a tier and a part are; the registry; how a derivative made by hand is written once."""

from conceptlab.core.autocast import Autocast
from conceptlab.core.composed import Composed
from conceptlab.core.concept import Concept, Function, Part
from conceptlab.core.errors import did_you_mean, message, require_floating, require_real, warn
from conceptlab.core.exponential import exp
from conceptlab.core.function import ElementwiseRule, Rule, save
from conceptlab.core.held import HeldFunction, held_functions
from conceptlab.core.memory import in_pieces, is_recorded, room
from conceptlab.core.module import Tiered
from conceptlab.core.namespace import Namespace, declare, namespace
from conceptlab.core.parts import Choice, Parts
from conceptlab.core.precision import wide
from conceptlab.core.registry import registry
from conceptlab.core.select import (
    either,
    indicator,
    keep,
    limited,
    mask,
    negative,
    not_negative,
    not_zero,
    others,
    put,
    slope,
    within,
)

__all__ = [
    "Autocast",
    "Choice",
    "Composed",
    "Concept",
    "ElementwiseRule",
    "Function",
    "HeldFunction",
    "Namespace",
    "Part",
    "Parts",
    "Rule",
    "Tiered",
    "declare",
    "did_you_mean",
    "either",
    "exp",
    "held_functions",
    "in_pieces",
    "indicator",
    "is_recorded",
    "keep",
    "limited",
    "mask",
    "message",
    "namespace",
    "negative",
    "not_negative",
    "not_zero",
    "others",
    "put",
    "registry",
    "require_floating",
    "require_real",
    "room",
    "save",
    "slope",
    "warn",
    "wide",
    "within",
]
