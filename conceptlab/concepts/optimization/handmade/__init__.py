"""The optimizers, many parameters at a time: each has a file, and they share how parameters are cut."""

from conceptlab.concepts.optimization.handmade.adagrad import adagrad
from conceptlab.concepts.optimization.handmade.adam import adam, adamw
from conceptlab.concepts.optimization.handmade.nadam import nadam
from conceptlab.concepts.optimization.handmade.rmsprop import rmsprop
from conceptlab.concepts.optimization.handmade.sgd import sgd

__all__ = ["adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"]
