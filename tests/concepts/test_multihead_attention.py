"""What the contract cannot say of multi-head attention: sequences that are one tensor, and the fused path."""

from collections import Counter

import pytest
import torch
from torch import nn

import conceptlab as cl
from conceptlab.verify.closeness import check_same

TIERS = ("naive", "handmade")


def attention(tier, **settings):
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(4, 2, dtype=torch.float64, **settings)
    ours = cl.nn.MultiheadAttention(4, 2, dtype=torch.float64, tier=tier, **settings)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 4)], ids=["batch", "no batch"])
def test_sequences_that_are_one_tensor(tier, batch_first, shape):
    x, other = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))
    for arguments in ((x, x, x), (other, x, x), (x, other, x), (x, x, other)):
        received, expected = (module(*arguments) for module in attention(tier, batch_first=batch_first))
        check_same(received, expected, "value")
        grads = [torch.autograd.grad(y.square().sum(), {*arguments}) for y, _ in (received, expected)]
        check_same(*grads, "gradient", strides=False)


@pytest.mark.parametrize("has_bias", [True, False])
def test_one_sequence_is_projected_by_one_product(has_bias):
    ours, _ = attention("handmade", bias=has_bias)
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    for call, products in (
        (lambda x: ours(x, x, x), 2),
        (lambda x: ours(x.clone(), x, x), 3),
        (lambda x: ours(x, x, x.clone()), 4),
    ):
        counts = Counter()
        for row in cl.audit(call, x).rows:
            counts.update(row.operations["forward"])
        assert counts["addmm"] + counts["mm"] == products


def test_torchs_fused_path_has_the_same_result():
    ours, theirs = (module.eval() for module in attention("handmade", batch_first=True))
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    hidden = torch.tensor([[False, False, False], [False, False, True]])
    with torch.no_grad():
        check_same(ours(x, x, x, key_padding_mask=hidden), theirs(x, x, x, key_padding_mask=hidden), "", strides=False)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_refused_in_words():
    ours, _ = attention("handmade", batch_first=True)
    nested = torch.nested.nested_tensor([torch.ones(3, 4), torch.ones(2, 4)], dtype=torch.float64)
    with pytest.raises(
        NotImplementedError, match=r"expected padded tensors, received a NestedTensor.*key_padding_mask"
    ):
        ours(nested, nested, nested)


def test_a_refusal_tells_which_is_which():
    ours, _ = attention("handmade", add_bias_kv=True)
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    with pytest.raises(AssertionError, match=r"expected key and value .* received 2-D and 4-D tensors"):
        ours(x, x[0], x.unsqueeze(0))
    with pytest.raises(AssertionError, match=r"expected key's .* dims \(3, 2\) .* received \(1, 2\)"):
        ours(x, x, x[:1])
    ours.bias_v = None
    with pytest.raises(AssertionError, match="received bias_k alone"):
        ours(x, x, x)


def test_use_hears_what_torchs_layer_calls():
    _, theirs = attention("handmade")
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    with cl.use("handmade") as used:
        received = theirs(x, x, x)
    assert used.counts == {"multi_head_attention_forward": 1}
    check_same(received, theirs(x, x, x), "value")


def test_out_proj_is_of_the_same_tier():
    assert attention("naive")[0].out_proj.tier == "naive"
    assert attention("builtin")[0].out_proj.__class__ is nn.modules.linear.NonDynamicallyQuantizableLinear
