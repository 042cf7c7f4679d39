"""Every function of every concept, in every tier, against torch's own: `pytest -k "conv2d and handmade"`."""

import pytest

from conceptlab.core import registry
from tests.cases import cases

QUICK = {"values", "first_derivatives"}
MANY_SAMPLES = {"max_pool1d", "max_pool2d", "max_pool3d"}
FUNCTIONS = [part for part in registry.parts.values() if not part.is_class]


@pytest.mark.parametrize(
    "check", [case for part in FUNCTIONS for case in cases(part, quick=() if part.name in MANY_SAMPLES else QUICK)]
)
def test_function(check):
    check()
