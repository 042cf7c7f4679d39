"""The likeliest cause of a failure, in words: a table of patterns, the most telling first."""

from collections.abc import Callable, Sequence

from conceptlab.verify.causes import calls, gradients, layers, trajectories
from conceptlab.verify.causes.evidence import Evidence
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.tally import Failure
from conceptlab.verify.target import Target

Pattern = Callable[[Evidence], str | None]

PATTERNS: tuple[Pattern, ...] = (
    calls.only_empty,
    layers.no_buffers,
    layers.buffers_keep_the_graph,
    layers.mode_from_grad_enabled,
    layers.gradient_assigned,
    calls.telling_error,
    calls.overwritten,
    gradients.another_mask,
    calls.large_inputs,
    calls.special_inputs,
    layers.biased_statistics,
    calls.another_call,
    gradients.scaled_value,
    gradients.zero_gradient,
    gradients.detached_statistics,
    gradients.diagonal_jacobian,
    gradients.scaled_gradient,
    gradients.assigned_terms,
    gradients.wrong_second_derivative,
    calls.only_with_setting,
    calls.cancellation,
)
"""Each says a sentence, or None."""


def likeliest(target: Target, looked_at: Sequence[Failure], failures: Sequence[Failure]) -> str:
    """The first pattern that fits one of the failures looked at, in their order; empty where none does."""
    if target.kind == "optimizer":
        return next((said for failure in looked_at if (said := _said_of_optimizer(target, failure))), "")
    failing = [failure.sample for failure in failures]
    for failure in looked_at if target.kind in ("function", "layer") else ():
        seen = Evidence(target, failure.sample, failure.error, failing)
        if target.part.is_class and seen.passes(failure.sample):
            # it may be wrong in evaluation only
            seen = Evidence(target, failure.sample, failure.error, failing, training=False)
            seen.training = seen.passes(failure.sample)
        for pattern in PATTERNS:
            if said := _said(pattern, seen):
                return said
    return ""


def likeliest_of_all(target: Target) -> str:
    """The cause that any of the samples shows whose value or gradient is wrong."""
    failures = []
    for sample in target.samples():
        if not Evidence(target, sample, Mismatch()).passes(sample):
            failures.append(Failure(sample, Mismatch()))
    return next((said for f in failures if (said := likeliest(target, [f], failures))), "")


def _said_of_optimizer(target: Target, failure: Failure) -> str:
    try:
        return trajectories.likeliest(trajectories.gone(target, failure.sample.init_kwargs))
    except Exception:
        return ""


def _said(pattern: Pattern, seen: Evidence) -> str:
    try:
        return pattern(seen) or ""
    except Exception:
        # the target may do anything on a sample that nobody meant for it: then this pattern says nothing
        return ""


__all__ = ["PATTERNS", "likeliest", "likeliest_of_all"]
