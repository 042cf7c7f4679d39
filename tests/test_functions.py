"""Every function of every concept, in every tier, against torch's own: `pytest -k "conv2d and handmade"`."""

import pytest

from conceptlab.core import registry
from conceptlab.verify.function_checks import CHECKS, NAIVE_CHECKS, first_derivatives, values

QUICK = {values, first_derivatives}
MANY_SAMPLES = {"max_pool1d", "max_pool2d", "max_pool3d"}


def _marks(part, tier, check):
    """`make quick` has the first two checks of what is used by default."""
    quick = tier == "handmade" and check in QUICK and part.name not in MANY_SAMPLES
    return () if quick else pytest.mark.slow


CASES = [
    pytest.param(part, tier, check, id=f"{part.name}-{tier}-{check.__name__}", marks=_marks(part, tier, check))
    for part in registry.parts.values()
    if not part.is_class
    for tier in part.tiers
    if tier != "builtin"
    for check in (NAIVE_CHECKS if tier == "naive" else CHECKS)
]


@pytest.mark.parametrize(("part", "tier", "check"), CASES)
def test_function(part, tier, check):
    check(part, part.tiers[tier])
