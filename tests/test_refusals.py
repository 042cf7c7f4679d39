"""Calls that torch refuses and for which PyTorch has no samples: refused alike, with the same type of exception."""

import pytest
import torch

from conceptlab.core import registry

X, C3, C2 = torch.ones(2, 3, 4), torch.ones(3), torch.ones(2)
CALLS = [
    ("batch_norm", (torch.ones(1, 3), C3, C3), {"training": True}),
    ("batch_norm", (X, None, None), {"training": True, "eps": 0.0}),
    ("batch_norm", (X, None, None), {"training": False}),
    ("batch_norm", (X, C2, C2), {"training": True}),
    ("batch_norm", (X, C3, C3, C3.double()), {"training": True}),
    ("dropout", (X, 1.5), {}),
    ("dropout1d", (torch.ones(3),), {}),
    ("feature_alpha_dropout", (torch.ones(3),), {"training": True}),
    ("max_pool2d", (torch.ones(1, 1, 4, 4), (2, 2, 2)), {}),
    ("max_pool2d", (torch.ones(1, 1, 4, 4), 5), {}),
    ("avg_pool2d", (torch.ones(1, 1, 4, 4), 2), {"divisor_override": 0}),
    ("adaptive_avg_pool2d", (torch.ones(1, 1, 4, 4), -1), {}),
    ("adaptive_max_pool2d", (torch.ones(1, 1, 4, 4), (1, 2, 3)), {}),
]
CASES = [
    pytest.param(name, tier, args, kwargs, id=f"{name}-{tier}-{number}")
    for number, (name, args, kwargs) in enumerate(CALLS)
    for tier in ("naive", "handmade")
]


@pytest.mark.parametrize(("name", "tier", "args", "kwargs"), CASES)
def test_refused(name, tier, args, kwargs):
    part = registry.parts[name]
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        part.torch(*args, **kwargs)
    with pytest.raises(theirs.type):
        part.tiers[tier](*args, **kwargs)
