"""Every layer of every concept, in every tier, against torch's own: `pytest -k "Conv2d and handmade"`."""

import pytest

from conceptlab.core import registry
from conceptlab.verify import checks
from conceptlab.verify.target import Target, tier_of

QUICK = {"constructed", "behaviour"}
MANY_SAMPLES = {"CrossEntropyLoss", "MultiheadAttention", "Transformer"}
OF_FUNCTIONS = {
    *("cancellation", "reference", "overwritten", "tiny_inputs", "extremes", "expanded_inputs", "complex_numbers"),
    *("law_of_the_draw", "gradcheck", "func_grad", "gradgradcheck", "saved_memory", "compiled_once"),
}
"""What a layer hands on to its functions and to the layers inside, which `make test` asks; `make verify` asks all."""


def _marks(check):
    """`make quick` has the first two checks of what is used by default."""
    part, tier = check.target.part, check.target.tier
    if str(check) in OF_FUNCTIONS:
        return pytest.mark.complete
    return () if tier == "handmade" and str(check) in QUICK and part.name not in MANY_SAMPLES else pytest.mark.slow


CASES = [
    pytest.param(check, id=f"{part.name}-{tier}-{check}", marks=_marks(check))
    for part in registry.parts.values()
    if Target(part, part.torch).kind == "layer"
    for tier in part.tiers
    if tier != "builtin"
    for check in checks(tier_of(part, tier), like=part.name)
    if not check.for_full_run
]


@pytest.mark.parametrize("check", CASES)
def test_class(check):
    check()
