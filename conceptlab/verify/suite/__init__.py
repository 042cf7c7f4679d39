"""The checks: each is a function of a target, has a sentence that says what it means, and gives a tally."""

from collections.abc import Callable, Mapping

from conceptlab.verify.suite import habits, layers
from conceptlab.verify.suite.derivatives import forward_mode, gradgradcheck, second_derivatives, vmapped
from conceptlab.verify.suite.precision import half_precision, precision
from conceptlab.verify.suite.surroundings import autocast, compiled, devices, fake_cuda
from conceptlab.verify.suite.values import (
    error_inputs,
    first_derivatives,
    layouts,
    purity,
    shifted_and_scaled,
    values,
)
from conceptlab.verify.tally import Tally
from conceptlab.verify.target import Kind, Target

Check = Callable[[Target], Tally]

CHECKS: Mapping[Kind, tuple[Check, ...]] = {
    "function": (
        values,
        first_derivatives,
        second_derivatives,
        shifted_and_scaled,
        layouts,
        forward_mode,
        vmapped,
        gradgradcheck,
        precision,
        half_precision,
        error_inputs,
        compiled,
        devices,
        fake_cuda,
        autocast,
        purity,
    ),
    "layer": (
        layers.constructed,
        layers.behaviour,
        habits.modes,
        habits.accumulated,
        habits.shifted_layer,
        layers.channels_last_behaviour,
        layers.copied,
        layers.compiled_layer,
        layers.on_meta,
        layers.refused,
    ),
}
"""All checks of each kind of target, the telling ones first."""

OF_NAIVE = frozenset(
    {values, first_derivatives, shifted_and_scaled, error_inputs, purity}
    | {layers.constructed, layers.behaviour, layers.copied}
)
"""What a definition has to satisfy: values and first derivatives, not speed and not transforms."""


def checks_of(target: Target) -> list[Check]:
    """The checks that apply to a target."""
    checks = list(CHECKS.get(target.kind, ()))
    if target.tier == "naive":
        return [check for check in checks if check in OF_NAIVE]
    # somebody's own may be made of whatever they like
    return checks if target.tier else [check for check in checks if check is not purity]
