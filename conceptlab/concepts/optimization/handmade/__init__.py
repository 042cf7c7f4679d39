"""The optimizers, many parameters at a time: `sgd` and `adam` have a file each, and share how parameters are cut."""

from conceptlab.concepts.optimization.handmade.adam import adam, adamw
from conceptlab.concepts.optimization.handmade.sgd import sgd

__all__ = ["adam", "adamw", "sgd"]
