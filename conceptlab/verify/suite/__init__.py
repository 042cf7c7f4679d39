"""The checks: each is a function of a target, has a sentence that says what it means, and gives a tally."""

from collections.abc import Callable, Mapping

from conceptlab.verify.suite import (
    clipping,
    habits,
    initializers,
    layers,
    optimizer_functions,
    optimizer_numbers,
    optimizer_objects,
    optimizers,
    schedulers,
    transforms,
)
from conceptlab.verify.suite.batched import vmapped
from conceptlab.verify.suite.beyond import derivatives_beyond_torch
from conceptlab.verify.suite.calling import error_words, signature, untouched
from conceptlab.verify.suite.compiling import compiled_once, inductor
from conceptlab.verify.suite.derivatives import (
    forward_mode,
    func_grad,
    gradcheck,
    gradgradcheck,
    second_derivatives,
)
from conceptlab.verify.suite.digits import cancellation
from conceptlab.verify.suite.extremes import complex_numbers, expanded_inputs, extremes, tiny_inputs
from conceptlab.verify.suite.laws import laws_of, names_of_laws
from conceptlab.verify.suite.memory import flat_memory, no_graph_kept, saved_memory
from conceptlab.verify.suite.mixed import mixed_modes, mixed_thirds, third_derivatives
from conceptlab.verify.suite.precision import half_precision, half_tangents, precision, rounded_once
from conceptlab.verify.suite.randomness import law_of_the_draw, random_stream
from conceptlab.verify.suite.references import reference
from conceptlab.verify.suite.state import global_state
from conceptlab.verify.suite.surroundings import autocast, compiled, devices, fake_cuda
from conceptlab.verify.suite.values import (
    error_inputs,
    first_derivatives,
    layouts,
    overwritten,
    purity,
    shifted_and_scaled,
    values,
)
from conceptlab.verify.tally import Tally
from conceptlab.verify.target import Kind, Target

Check = Callable[[Target], Tally]

OF_ANY_CALL: tuple[Check, ...] = (
    cancellation,
    reference,
    untouched,
    overwritten,
    tiny_inputs,
    extremes,
    expanded_inputs,
    complex_numbers,
    random_stream,
    law_of_the_draw,
    gradcheck,
    func_grad,
    gradgradcheck,
    no_graph_kept,
    saved_memory,
    error_words,
    flat_memory,
    compiled_once,
    inductor,
)
"""What holds of functions and of layers alike."""

CHECKS: Mapping[Kind, tuple[Check, ...]] = {
    "function": (
        signature,
        values,
        first_derivatives,
        second_derivatives,
        shifted_and_scaled,
        layouts,
        forward_mode,
        mixed_modes,
        mixed_thirds,
        third_derivatives,
        derivatives_beyond_torch,
        vmapped,
        precision,
        half_precision,
        rounded_once,
        half_tangents,
        error_inputs,
        global_state,
        compiled,
        devices,
        fake_cuda,
        autocast,
        purity,
        *OF_ANY_CALL,
    ),
    "layer": (
        signature,
        layers.constructed,
        layers.behaviour,
        habits.modes,
        habits.accumulated,
        layers.channels_last_behaviour,
        layers.copied,
        global_state,
        layers.compiled_layer,
        layers.on_meta,
        layers.refused,
        layers.pure,
        *OF_ANY_CALL,
    ),
    "optimizer": optimizers.CHECKS + optimizer_functions.CHECKS + optimizer_numbers.CHECKS + optimizer_objects.CHECKS,
    "scheduler": schedulers.CHECKS,
    "initializer": (signature, *initializers.CHECKS),
    "clipping": (signature, *clipping.CHECKS),
    "transform": (signature, *transforms.CHECKS),
}
"""All checks of each kind of target, the telling ones first."""

OF_NAIVE = frozenset(
    {signature, values, first_derivatives, shifted_and_scaled, error_inputs, global_state, purity}
    | {layers.constructed, layers.behaviour, layers.copied, layers.pure}
    | {reference, untouched, gradcheck, random_stream, law_of_the_draw, no_graph_kept}
    | {*CHECKS["optimizer"], *CHECKS["scheduler"], *CHECKS["initializer"], *CHECKS["clipping"], *CHECKS["transform"]}
    - {
        optimizer_numbers.half_precision,
        optimizer_numbers.derivatives_by_numbers,
        optimizer_numbers.rounded_once,
        schedulers.asked_by_hand,
        schedulers.changed_in_between,
        schedulers.group_added,
        clipping.without_values,
        clipping.rounded_once,
        transforms.functions_elsewhere,
    }
)
"""What a definition has to satisfy: values and first derivatives, not speed and not transforms."""

OF_OUR_OWN = frozenset(
    {purity, layers.pure, optimizers.purity, initializers.purity, clipping.purity, transforms.purity}
    | {
        derivatives_beyond_torch,
        rounded_once,
        clipping.rounded_once,
        optimizer_functions.functions,
        optimizer_numbers.derivatives_by_numbers,
        optimizer_numbers.rounded_once,
        schedulers.asked_by_hand,
        transforms.functions,
        transforms.function_gradients,
        transforms.functions_elsewhere,
    }
)
"""What nobody else is asked for: a layer of somebody's own may be made of whatever they like."""

SLOW = frozenset({gradgradcheck, compiled, purity, layers.pure, layers.compiled_layer, compiled_once, inductor})
"""What takes long by itself: a quick run leaves it out."""

LONG = SLOW | {gradcheck, flat_memory}
"""What calls, or compiles, one sample many times: it may take ten times the time limit."""
FULL_RUN = frozenset({inductor})
"""What takes seconds for each part: `make verify` and `make test-complete` run it, `make test` does not."""


def checks_of(target: Target) -> list[Check]:
    """The checks that apply to a target; the laws of its concept are among them."""
    checks, laws = CHECKS.get(target.kind, ()), laws_of(target)
    if target.tier is None:
        return [*(check for check in checks if check not in OF_OUR_OWN), *laws]
    return [*(check for check in checks if target.tier != "naive" or check in OF_NAIVE), *laws]


def check_names() -> set[str]:
    """The names of all checks, and of the laws of all concepts."""
    return {check.__name__ for every in CHECKS.values() for check in every} | names_of_laws()
