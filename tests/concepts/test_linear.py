"""What the contract cannot say of linear layers: what is refused."""

import pytest
import torch

from conceptlab.core import registry

REFUSED = [
    pytest.param(
        (torch.ones(4, 3), torch.ones(3), torch.ones(())), id="a matrix, a weight without outputs, and a bias"
    ),
    pytest.param((torch.ones(2, 4, 3), torch.ones(3), torch.ones(4)), id="a weight without outputs and a bias of four"),
]


@pytest.mark.parametrize("args", REFUSED)
def test_what_torch_refuses_is_refused_with_its_type(args):
    part = registry.parts["linear"]
    with pytest.raises(RuntimeError, match="must be a matrix") as theirs:
        part.torch(*args)
    with pytest.raises(theirs.type, match="a weight that is a matrix"):
        part.tiers["handmade"](*args)
