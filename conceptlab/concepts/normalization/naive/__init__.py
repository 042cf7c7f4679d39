"""Normalization by its definition, one formula a line: a file for each kind. The derivatives are left to autograd."""

from conceptlab.concepts.normalization.naive.batch import batch_norm
from conceptlab.concepts.normalization.naive.groups import group_norm, instance_norm
from conceptlab.concepts.normalization.naive.length import normalize
from conceptlab.concepts.normalization.naive.processes import _sync_batch_norm
from conceptlab.concepts.normalization.naive.response import local_response_norm
from conceptlab.concepts.normalization.naive.rows import layer_norm, rms_norm

__all__ = [
    "_sync_batch_norm",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]
