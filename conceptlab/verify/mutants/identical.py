"""Whether two implementations are one and the same: all bits of all results."""

import hashlib
import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from conceptlab.verify.calls import Outcome, gradients, run
from conceptlab.verify.target import Target

DTYPES = (None, torch.float32, torch.bfloat16)


def fingerprint(targets: list[Target]) -> list[str]:
    """A digest of each result, and of each gradient, on every sample of every target, in three precisions."""
    return [digest for target in targets for digest in _of_target(target)]


def _of_target(target: Target) -> list[str]:
    found = []
    for training in (True, False) if target.part.is_class else (True,):
        for sample in target.samples(thinned=False, training=training):
            for dtype in DTYPES:
                try:
                    found += _digests(_outcome(target, sample, dtype, training))
                except Exception as error:  # what it refuses it has to refuse again
                    found.append(type(error).__name__)
    return found


def _outcome(target: Target, sample: Any, dtype: torch.dtype | None, training: bool) -> Outcome:
    if not target.part.is_class:
        return run(target.implementation, sample.args, sample.kwargs, dtype=dtype)
    module = target.built(sample).train(training).to(dtype or torch.float64)
    outcome = run(module, sample.args, sample.kwargs, dtype=dtype)
    outcome.leaves.extend(p for p in module.parameters() if p.requires_grad)
    outcome.arguments = (outcome.arguments, list(module.buffers()))
    return outcome


def _digests(outcome: Outcome) -> list[str]:
    results = tree_flatten((outcome.output, outcome.arguments))[0]
    return [_digest(value) for value in (*results, *gradients(outcome))]


def _digest(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    x = value.detach().contiguous()
    if x.is_floating_point() or x.is_complex():
        x = (x + 0).masked_fill(x.isnan(), math.nan)  # -0 is 0, and NaN has no sign
    about = f"{x.dtype} {tuple(x.shape)} {value.stride()} "
    return about + hashlib.sha1(x.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
