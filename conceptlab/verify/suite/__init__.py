"""The checks: each is a function of a target, has a sentence that says what it means, and gives a tally."""

from collections.abc import Callable, Mapping

from conceptlab.verify.suite import initializers, layers, optimizer_numbers, optimizer_objects, optimizers, transforms
from conceptlab.verify.suite.derivatives import forward_mode, gradgradcheck, second_derivatives, vmapped
from conceptlab.verify.suite.precision import half_precision, precision
from conceptlab.verify.suite.state import global_state
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
        global_state,
        compiled,
        devices,
        fake_cuda,
        autocast,
        purity,
    ),
    "layer": (
        layers.constructed,
        layers.behaviour,
        layers.channels_last_behaviour,
        layers.copied,
        global_state,
        layers.compiled_layer,
        layers.on_meta,
        layers.refused,
    ),
    "optimizer": optimizers.CHECKS + optimizer_numbers.CHECKS + optimizer_objects.CHECKS,
    "initializer": initializers.CHECKS,
    "transform": transforms.CHECKS,
}
"""All checks of each kind of target, the telling ones first."""

OF_NAIVE = frozenset(
    {values, first_derivatives, shifted_and_scaled, error_inputs, global_state, purity}
    | {layers.constructed, layers.behaviour, layers.copied}
    | {*CHECKS["optimizer"], *CHECKS["initializer"], *CHECKS["transform"]} - {optimizer_numbers.half_precision}
)
"""What a definition has to satisfy: values and first derivatives, not speed and not transforms."""

SLOW = frozenset({gradgradcheck, compiled, purity, layers.compiled_layer})
"""What takes long by itself: a quick run leaves it out, and a sample may take ten times the time limit."""


def checks_of(target: Target) -> list[Check]:
    """The checks that apply to a target."""
    checks = list(CHECKS.get(target.kind, ()))
    if target.tier == "naive":
        return [check for check in checks if check in OF_NAIVE]
    # somebody's own may be made of whatever they like
    return checks if target.tier else [check for check in checks if check.__name__ != "purity"]
