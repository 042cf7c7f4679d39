"""Normalization, with derivatives made by hand: a file for each kind."""

from conceptlab.concepts.normalization.handmade.batch import batch_norm
from conceptlab.concepts.normalization.handmade.groups import group_norm, instance_norm
from conceptlab.concepts.normalization.handmade.length import normalize
from conceptlab.concepts.normalization.handmade.processes import _sync_batch_norm
from conceptlab.concepts.normalization.handmade.response import local_response_norm
from conceptlab.concepts.normalization.handmade.rows import layer_norm, rms_norm

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
