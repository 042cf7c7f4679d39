"""What the generic checks do not say of attention: memory formats, forward mode, nested tensors, memory."""

import math

import pytest
import torch
import torch.nn.functional as F

import conceptlab as cl
from conceptlab.core import registry
from conceptlab.verify.calls import reseed
from conceptlab.verify.memory import peak_bytes

TIERS = ("naive", "textbook", "handmade")


def attention(tier):
    return registry.parts["scaled_dot_product_attention"].tiers[tier]


def three(*shape):
    return [torch.randn(shape, dtype=torch.float64) for _ in range(3)]


@pytest.mark.parametrize("tier", ["textbook", "handmade"])
@pytest.mark.parametrize("axes", [(0, 2, 1, 3), (2, 1, 0, 3), (1, 0, 2, 3)])
def test_the_result_has_the_memory_format_of_the_query(tier, axes):
    inverse = [axes.index(axis) for axis in range(4)]
    q, k, v = (torch.randn([(2, 3, 5, 4)[a] for a in axes]).permute(inverse).requires_grad_() for _ in range(3))
    ours, theirs = (f(q, k, v, is_causal=True) for f in (attention(tier), F.scaled_dot_product_attention))
    assert ours.stride() == theirs.stride()
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad(y.square().sum(), (q, k, v)) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("tier", ["textbook", "handmade"])
@pytest.mark.parametrize("number", [1.0, float("nan"), float("inf")])
def test_of_no_keys_there_are_zeros_whose_gradients_may_be_written_to(tier, number):
    q, k, v = (torch.full((2, n, 4), number, requires_grad=True) for n in (3, 0, 0))
    ours, theirs = (f(q, k, v) for f in (attention(tier), F.scaled_dot_product_attention))
    if theirs.isfinite().all() and number != 1:
        pytest.skip("this release of torch answers zeros, whatever the queries are")
    torch.testing.assert_close(ours, theirs, equal_nan=True)
    (gradient,) = torch.autograd.grad(ours.sum(), q)
    assert torch.equal(gradient.add_(1), torch.ones_like(q))


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["textbook", "handmade"])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"dropout_p": 0.4}], ids=str)
def test_forward_mode(tier, options):
    """torch's fused kernel has none, so the checks do not ask for it."""
    q, k, v = (x.requires_grad_() for x in three(2, 5, 4))
    bias = None if "is_causal" in options else torch.randn(5, 5, dtype=torch.float64, requires_grad=True)
    leaves = [x for x in (q, k, v, bias) if x is not None]

    def call(*values):
        reseed()
        return attention(tier)(*values, *[None] * (4 - len(values)), **options)

    assert torch.autograd.gradcheck(call, leaves, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, leaves, check_fwd_over_rev=True)


@pytest.mark.parametrize("tier", ["textbook", "handmade"])
def test_forward_mode_by_one_argument(tier):
    q, k, v = three(2, 5, 4)
    bias = torch.randn(5, 5, dtype=torch.float64)
    for place, x in enumerate((q, k, v, bias)):

        def of_one(value, f, place=place):
            values = [value if n == place else other for n, other in enumerate((q, k, v, bias))]
            return f(*values)

        t = torch.randn_like(x)
        ours = torch.func.jvp(lambda value: of_one(value, attention(tier)), (x,), (t,))[1]
        by_hand = torch.func.jvp(lambda value: of_one(value, attention("naive")), (x,), (t,))[1]
        torch.testing.assert_close(ours, by_hand)


@pytest.mark.parametrize("tier", ["textbook", "handmade"])
def test_each_sample_has_a_draw_of_its_own(tier):
    q, k, v = (torch.ones(4, 6, 2) for _ in range(3))
    batched = torch.vmap(lambda k: attention(tier)(q[0], k, v[0], dropout_p=0.5), randomness="different")(k)
    assert len({tuple(y.flatten().tolist()) for y in batched}) > 1


@pytest.mark.parametrize("tier", TIERS)
def test_nested_tensors_are_refused_in_words(tier):
    nested = torch.nested.nested_tensor([torch.ones(2, 3, 4), torch.ones(2, 5, 4)], layout=torch.jagged)
    with pytest.raises(NotImplementedError, match="nested"):
        attention(tier)(nested, nested, nested)


def test_use_answers_it():
    q, k, v = three(2, 3, 4)
    with cl.use("handmade") as used:
        F.scaled_dot_product_attention(q, k, v)
    assert used.counts["scaled_dot_product_attention"] == 1


def test_memory_grows_with_the_length_and_not_with_its_square():
    def peak(length):
        q, k, v = (torch.randn(1, 2, length, 8, requires_grad=True) for _ in range(3))
        call = attention("handmade")
        return peak_bytes(lambda: torch.autograd.grad(call(q, k, v, is_causal=True).sum(), (q, k, v)), "cpu")

    assert peak(4096) < 2.2 * peak(2048)


def test_a_key_that_is_not_seen_may_be_infinite():
    """As in torch's fused kernel, which does without the key; its other code adds -inf to its score."""
    q, k, v = (torch.randn(1, 2, 4, 8) for _ in range(3))
    k[..., -1, :] = math.inf
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    received = attention("handmade")(q, k, v, is_causal=True)
    assert received[..., :-1, :].isfinite().all()
    torch.testing.assert_close(received, expected, equal_nan=True)


@pytest.mark.parametrize(("queries", "keys"), [(3, 140), (140, 300)])
def test_compiled_a_block_of_keys_at_a_time(queries, keys):
    """The gradients of the blocks are joined there, with zeros for keys that no query sees."""
    if torch.__version__ < "2.12":
        torch.compiler.reset()  # its compiler fails where lengths change
    q, k, v = (torch.randn(2, length, 2, dtype=torch.float64, requires_grad=True) for length in (queries, keys, keys))
    g = torch.randn(2, queries, 2, dtype=torch.float64)

    def gradients(call):
        return torch.autograd.grad(call(q, k, v, is_causal=True), (q, k, v), g)

    expected = gradients(F.scaled_dot_product_attention)
    received = gradients(torch.compile(attention("handmade"), fullgraph=True, backend="aot_eager"))
    torch.testing.assert_close(received, expected, rtol=1e-9, atol=1e-12)
