"""A layer starts from torch's weights, in every tier. (`tests/test_functions.py` has the initializers' checks.)"""

import warnings

import pytest
import torch

from conceptlab.core import registry
from conceptlab.verify.closeness import check_same


@pytest.mark.parametrize("tier", ["naive", "handmade", "builtin"])
@pytest.mark.parametrize("shape", [(5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_starts_from_torch_weights(tier, shape, bias):
    linear = registry.parts["Linear"]
    layers = []
    for make in (
        lambda: linear.tiers["handmade"](*shape, bias=bias, tier=tier),
        lambda: linear.torch(*shape, bias=bias),
    ):
        torch.manual_seed(5)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layers.append((make(), len(caught)))
    (ours, our_warnings), (theirs, their_warnings) = layers
    assert our_warnings == their_warnings
    check_same(dict(ours.state_dict()), dict(theirs.state_dict()), "weights", bound=0)
