"""What the contract cannot say of ReLU and its kin: the spellings that write in place, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import registry
from conceptlab.verify.calls import gradients, run
from conceptlab.verify.closeness import check_same

SPELLINGS = [
    pytest.param(torch.relu_, (), id="relu_"),
    pytest.param(torch.Tensor.relu_, (), id="Tensor.relu_"),
    pytest.param(F.hardtanh_, (-0.5, 2.0), id="hardtanh_"),
    pytest.param(torch.threshold_, (0.1, 20.0), id="threshold_"),
    pytest.param(F.leaky_relu_, (0.2,), id="leaky_relu_"),
    pytest.param(F.elu_, (0.5,), id="elu_"),
    pytest.param(torch.selu_, (), id="selu_"),
    pytest.param(F.celu_, (0.5,), id="celu_"),
]


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize(("spelling", "settings"), SPELLINGS)
def test_in_place_spellings(spelling, settings, tier):
    """Values, the input afterwards, and gradients, which must not be those of the overwritten input."""
    part, adapter = registry.spellings[spelling]
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    ours = run(lambda x: adapter(part.tiers[tier], x, *settings), (x,), {})
    theirs = run(spelling, (x, *settings), {})
    check_same(ours.output, theirs.output, "value")
    check_same(ours.arguments[0][0], theirs.arguments[0][0], "input afterwards")
    check_same(gradients(ours), gradients(theirs), "gradient")


REFUSED = [
    pytest.param("relu", (torch.tensor([True]),), "[Bb]oolean", id="relu of booleans"),
    pytest.param("hardtanh", (torch.ones(2, dtype=torch.uint8),), "unsigned type with negative limits", id="hardtanh"),
    pytest.param(
        "prelu", (torch.ones(2), torch.ones(1, dtype=torch.float64)), "Type promoting not supported", id="prelu"
    ),
]


@pytest.mark.parametrize(("name", "args", "words"), REFUSED)
def test_what_torch_refuses_is_refused_with_its_type(name, args, words):
    part = registry.parts[name]
    with pytest.raises((RuntimeError, NotImplementedError), match=words) as theirs:
        part.torch(*args)
    with pytest.raises(theirs.type, match=words):
        part.tiers["handmade"](*args)


def test_hardtanh_of_unsigned_numbers():
    """With limits that such numbers can have it is done, and they stay what they are."""
    part, x = registry.parts["hardtanh"], torch.tensor([1, 4, 9], dtype=torch.uint8)
    for tier in ("naive", "handmade"):
        check_same(part.tiers[tier](x, 2.0, 6.0), part.torch(x, 2.0, 6.0), tier)
