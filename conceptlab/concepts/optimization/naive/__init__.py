"""The optimizers as in the papers: a loop over the parameters, a formula a line. Each has a file."""

from conceptlab.concepts.optimization.naive.adagrad import adagrad
from conceptlab.concepts.optimization.naive.adam import adam, adamw
from conceptlab.concepts.optimization.naive.nadam import nadam
from conceptlab.concepts.optimization.naive.rmsprop import rmsprop
from conceptlab.concepts.optimization.naive.sgd import sgd

__all__ = ["adagrad", "adam", "adamw", "nadam", "rmsprop", "sgd"]
