"""Normalization by its definition, one formula a line: a file for each kind. The derivatives are left to autograd."""

from conceptlab.concepts.normalization.naive.batch import batch_norm
from conceptlab.concepts.normalization.naive.rows import layer_norm, rms_norm

__all__ = ["batch_norm", "layer_norm", "rms_norm"]
