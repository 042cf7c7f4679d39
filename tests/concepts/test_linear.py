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


def test_a_bias_of_more_axes_than_the_input_is_refused_in_words():
    with pytest.raises(NotImplementedError, match=r"at most as many axes as the input, received 2 axes beside 1"):
        registry.parts["linear"].tiers["handmade"](torch.ones(4), torch.ones(5, 4), torch.ones(1, 5))


def test_vmap_over_biases_alone():
    """The product has no batch, and cannot take them up in place."""
    x, weight, biases = torch.randn(2, 3, 4), torch.randn(5, 4), torch.randn(6, 3, 5)
    linear = registry.parts["linear"].tiers["handmade"]
    received = torch.vmap(linear, in_dims=(None, None, 0))(x, weight, biases)
    torch.testing.assert_close(received, x @ weight.t() + biases.unsqueeze(1))
