"""What the contract cannot say of embeddings: sparse gradients, words without numbers, other spellings of torch's."""

import copy

import pytest
import torch
import torch.nn.functional as F

import conceptlab as cl
from conceptlab import nn
from conceptlab.core import registry

TIERS = ("naive", "handmade")
WORDS = torch.tensor([1, 4, 1, 0, 1, 4, 2])
OFFSETS = torch.tensor([0, 2, 2, 5])


def table(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape or (5, 3), generator=generator, dtype=torch.float64).requires_grad_()


def of(name: str, tier: str = "handmade"):
    return registry.parts[name].tiers[tier]


def sparse_gradient(function, words, weight, *args, **options):
    y = function(words, weight, *args, sparse=True, **options)
    (gradient,) = torch.autograd.grad(y, weight, torch.arange(1.0, y.numel() + 1, dtype=y.dtype).reshape(y.shape))
    return gradient


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (WORDS, {}),
        (WORDS, {"padding_idx": 1}),
        (WORDS.int().reshape(7, 1), {}),
        (torch.tensor([2, 2]), {"padding_idx": 2}),
        (torch.tensor([2]), {}),
        (torch.tensor(2), {}),
    ],
)
def test_a_sparse_gradient_is_torchs_number_by_number(words, options):
    ours, theirs = (sparse_gradient(f, words, table(), **options) for f in (of("embedding"), F.embedding))
    assert ours.is_coalesced() == theirs.is_coalesced()
    torch.testing.assert_close(ours._indices(), theirs._indices(), rtol=0, atol=0)
    torch.testing.assert_close(ours._values(), theirs._values())


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_the_gradient_of_a_bags_word_is_divided_by_its_own_count(mode, tier):
    """Which torch 2.11 divides by that of another word."""
    upstream = torch.randn(4, 3, dtype=torch.float64)

    def gradient(**options):
        weight = table()
        y = of("embedding_bag", tier)(WORDS, weight, OFFSETS, mode=mode, **options)
        return torch.autograd.grad(y, weight, upstream)[0]

    counts = WORDS.bincount(minlength=5).clamp(min=1).unsqueeze(1)
    torch.testing.assert_close(gradient(scale_grad_by_freq=True), gradient() / counts)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}])
def test_a_sparse_gradient_of_bags_is_torchs_number_by_number(mode, options):
    ours, theirs = (
        sparse_gradient(f, WORDS, table(), OFFSETS, mode=mode, **options)
        for f in (of("embedding_bag"), F.embedding_bag)
    )
    assert ours.is_coalesced() == theirs.is_coalesced()
    torch.testing.assert_close(ours._indices(), theirs._indices(), rtol=0, atol=0)
    torch.testing.assert_close(ours._values(), theirs._values())


@pytest.mark.parametrize("function", [F.embedding, of("embedding"), of("embedding", "naive")])
def test_a_sparse_gradient_by_frequency_is_refused_by_the_backward_pass(function):
    y = function(WORDS, table(), sparse=True, scale_grad_by_freq=True)
    with pytest.raises(RuntimeError, match="scale_grad_by_freq not supported with sparse"):
        y.sum().backward()


def test_a_sparse_layer_is_trained_as_torchs():
    ours, theirs = nn.Embedding(5, 3, sparse=True), torch.nn.Embedding(5, 3, sparse=True)
    ours.load_state_dict(theirs.state_dict())
    for layer in (ours, theirs):
        optimizer = torch.optim.SparseAdam(layer.parameters(), lr=0.1)
        for _ in range(2):
            layer.zero_grad()
            layer(WORDS).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_forward_over_reverse_of_a_sparse_gradient_is_dense():
    weight = table().detach()
    slope = torch.func.jacfwd(torch.func.grad(lambda w: of("embedding")(WORDS, w, sparse=True).pow(3).sum()))
    dense = torch.func.jacfwd(torch.func.grad(lambda w: of("embedding")(WORDS, w).pow(3).sum()))
    torch.testing.assert_close(slope(weight), dense(weight))


@pytest.mark.parametrize("tier", TIERS)
def test_only_rows_that_are_looked_up_are_shortened_and_no_graph_sees_it(tier):
    weight = (table().detach() * 10).requires_grad_()
    before, version = weight.detach().clone(), weight._version
    y = of("embedding", tier)(torch.tensor([3, 1, 3]), weight, max_norm=1.0)
    assert weight._version > version
    assert weight.is_leaf
    torch.testing.assert_close(weight[[0, 2, 4]], before[[0, 2, 4]], rtol=0, atol=0)
    torch.testing.assert_close(weight[[1, 3]].norm(dim=1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(y, weight[[3, 1, 3]])
    y.sum().backward()
    torch.testing.assert_close(weight.grad.sum(1), torch.tensor([0.0, 3, 0, 6, 0], dtype=torch.float64))


def test_nothing_is_shortened_where_there_are_no_words():
    weight = table()
    assert of("embedding")(WORDS[:0], weight, max_norm=0.1).shape == (0, 3)
    assert of("embedding_bag")(WORDS[:0], weight, OFFSETS[:1], max_norm=0.1).shape == (1, 3)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_pretrained_tables_copies_and_the_padding_row(name, tier):
    cls, torchs = getattr(nn, name), getattr(torch.nn, name)
    numbers = table().detach()
    ours, theirs = (c.from_pretrained(numbers, freeze=False, padding_idx=-2) for c in (cls, torchs))
    ours.tier = tier
    twin = copy.deepcopy(ours)
    assert twin.tier == tier
    words = WORDS.reshape(1, 7)
    torch.testing.assert_close(ours(words), theirs(words))
    torch.testing.assert_close(twin(words), theirs(words))
    assert not cls.from_pretrained(numbers).weight.requires_grad
    layer = cls(5, 3, padding_idx=-2, tier=tier)
    assert layer.padding_idx == 3
    assert not layer.weight[3].any()
    layer.load_state_dict(ours.state_dict())
    torch.nn.init.ones_(layer.weight)
    layer.reset_parameters()
    assert not layer.weight[3].any()
    assert layer.weight[0].all()


def test_half_precision_is_added_up_in_float32():
    # in bfloat16 256 + 1 is 256
    words, weight = torch.zeros(1000, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bfloat16, requires_grad=True)
    of("embedding")(words, weight).sum().backward()
    assert weight.grad.tolist() == [[1000, 1000]]
    assert of("embedding_bag")(words[None], weight, mode="sum").tolist() == [[1000, 1000]]


@pytest.mark.parametrize("tier", TIERS)
def test_words_behind_the_last_offset_are_in_no_bag(tier):
    weight, offsets = table(), torch.tensor([0, 2, 3])
    received = of("embedding_bag", tier)(WORDS, weight, offsets, mode="sum", include_last_offset=True)
    expected = F.embedding_bag(WORDS, weight.float(), offsets, mode="sum", include_last_offset=True)
    torch.testing.assert_close(received.float(), expected)
    received.sum().backward()
    torch.testing.assert_close(weight.grad.sum(1), torch.tensor([0.0, 6, 0, 0, 3], dtype=torch.float64))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_have_the_derivatives_that_torchs_own_lack(mode):
    def bags(weight):
        return of("embedding_bag")(WORDS, weight, OFFSETS, mode=mode, padding_idx=4)

    # the gradient of the padding row is not the derivative: it is looked at from the others' side
    weight = table()
    others = torch.tensor([[1.0], [1], [1], [1], [0]], dtype=weight.dtype)
    constant = weight.detach() * (1 - others)

    def of_others(weight):
        return bags(weight * others + constant)

    assert torch.autograd.gradcheck(of_others, weight, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(of_others, weight)
    batch = torch.stack([weight.detach(), weight.detach() * -2])
    torch.testing.assert_close(torch.vmap(bags)(batch), torch.stack([bags(w) for w in batch]))


def test_factors_have_derivatives_of_any_order():
    factors = table(7)

    def bags(weight, factors):
        options = {"mode": "sum", "per_sample_weights": factors}
        return of("embedding_bag")(WORDS, weight, OFFSETS, **options)

    inputs = table(), factors
    assert torch.autograd.gradcheck(bags, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(bags, inputs)
    weight, factors = (x.detach() for x in inputs)
    hessian = torch.func.hessian(lambda f: bags(weight, f).square().sum())(factors)
    expected = torch.autograd.functional.hessian(lambda f: bags(weight, f).square().sum(), factors)
    torch.testing.assert_close(hessian, expected)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}])
def test_a_batch_of_tables_and_a_batch_of_words(options):
    tables = torch.stack([table().detach(), table().detach() * -2])
    words = torch.stack([WORDS, WORDS.flip(0) * 0 + 2])

    def gradient(word, weight):
        return torch.func.grad(lambda w: of("embedding")(word, w, **options).sum())(weight)

    for dims in ((None, 0), (0, None), (0, 0)):
        if dims == (0, None) and "max_norm" in options:
            continue  # one table cannot be shortened in two ways
        received = torch.vmap(gradient, in_dims=dims)(
            *(batch if dim == 0 else batch[0] for batch, dim in zip((words, tables.clone()), dims, strict=True))
        )
        expected = [
            gradient(words[n if dims[0] == 0 else 0], tables[n if dims[1] == 0 else 0].clone()) for n in range(2)
        ]
        torch.testing.assert_close(received, torch.stack(expected))


@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_an_activation_may_overwrite_the_result(name):
    weight = table()
    torch.relu_(of(name)(WORDS.reshape(1, 7), weight)).sum().backward()
    expected = table()
    torch.relu(getattr(F, name)(WORDS.reshape(1, 7), expected)).sum().backward()
    torch.testing.assert_close(weight.grad, expected.grad)


@pytest.mark.skipif(
    torch.__version__ < "2.12", reason="the compiler of torch 2.11 takes what any rule returns for a view"
)
@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_it_may_in_compiled_code(name):
    @torch.compile(fullgraph=True, backend="aot_eager")
    def overwritten(weight):
        return torch.relu_(of(name)(WORDS.reshape(1, 7), weight))

    torch.testing.assert_close(overwritten(table()), torch.relu(getattr(F, name)(WORDS.reshape(1, 7), table())))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("padding", [-1, -2, 1, 9])
def test_torchs_other_spelling_of_the_lookup(tier, padding):
    weight, expected = table(), table()
    with cl.use(tier) as used:
        torch.embedding(weight, WORDS, padding, True).pow(2).sum().backward()
    assert used.counts == {"embedding": 1}
    torch.embedding(expected, WORDS, padding, True).pow(2).sum().backward()
    torch.testing.assert_close(weight.grad, expected.grad)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    "arguments",
    [(), (True,), (False, 1), (False, 2), (False, 0, False, torch.arange(7.0).double(), False, 4)],
)
def test_torchs_other_spelling_of_bags_gives_a_tuple(tier, arguments):
    with cl.use(tier) as used:
        received, *notes = torch.embedding_bag(table(), WORDS, OFFSETS, *arguments)
    assert used.counts == {"embedding_bag": 1}
    assert [note.numel() for note in notes] == [0, 0, 0]
    torch.testing.assert_close(received, torch.embedding_bag(table(), WORDS, OFFSETS, *arguments)[0])


def test_nested_words_are_refused_in_words():
    nested = torch.nested.nested_tensor([WORDS[:2], WORDS[2:]], layout=torch.jagged)
    with pytest.raises(NotImplementedError, match="a flat input with offsets"):
        of("embedding_bag")(nested, table())


def test_a_table_without_numbers_is_asked_by_words_that_have_theirs():
    layer = nn.EmbeddingBag(5, 3, mode="sum", device="meta")
    y = layer(WORDS, OFFSETS, torch.ones(7))
    assert (y.device.type, y.shape) == ("meta", (4, 3))


def test_one_hot_in_transforms_wants_the_number_of_classes():
    one_hot = of("one_hot")
    torch.testing.assert_close(torch.vmap(lambda c: one_hot(c, 5))(WORDS), F.one_hot(WORDS, 5))
    with pytest.raises(RuntimeError, match="explicit positive num_classes"):
        torch.vmap(one_hot)(WORDS)
    compiled = torch.compile(one_hot, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(WORDS, 5), F.one_hot(WORDS, 5))


REFUSED = [
    ("embedding", (torch.tensor([5]), table()), {}, IndexError, "index out of range in self"),
    ("embedding", (torch.tensor([-1]), table()), {}, IndexError, "index out of range in self"),
    ("embedding", (WORDS.byte(), table()), {}, RuntimeError, "scalar types"),
    ("embedding", (WORDS, table(), 5), {}, AssertionError, "Padding_idx must be within num_embeddings"),
    ("embedding_bag", (WORDS, table()), {}, ValueError, "offsets has to be a 1D Tensor"),
    ("embedding_bag", (WORDS, table(), OFFSETS), {"mode": "min"}, ValueError, "mode has to be one of"),
    (
        *("embedding_bag", (WORDS, table(), OFFSETS), {"per_sample_weights": table(7)}),
        *(NotImplementedError, "per_sample_weights is only supported for mode='sum'"),
    ),
    ("one_hot", (WORDS.int(),), {}, RuntimeError, "one_hot is only applicable to index tensor of type LongTensor"),
    ("one_hot", (WORDS - 1,), {}, RuntimeError, "Class values must be non-negative"),
    ("one_hot", (WORDS, 4), {}, RuntimeError, "Class values must be smaller than num_classes"),
    ("one_hot", (WORDS[:0],), {}, RuntimeError, "Can not infer total number of classes from empty tensor"),
]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("name", "args", "kwargs", "error", "words"), REFUSED)
def test_what_torch_refuses_is_refused_in_its_words(name, args, kwargs, error, words, tier):
    for function in (getattr(F, name), of(name, tier)):
        with pytest.raises(error, match=words):
            function(*args, **kwargs)


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        (OFFSETS + 1, r"offsets\[0\] has to be 0"),
        (OFFSETS + torch.tensor([0, 0, 0, 3]), r"offsets\[-1\] can not be greater than input's length"),
    ],
)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_offsets_that_do_not_fit_are_refused_in_torchs_words(offsets, words, mode):
    for function in (F.embedding_bag, of("embedding_bag")):
        with pytest.raises(RuntimeError, match=words):
            function(WORDS, table(), offsets, mode=mode)


@pytest.mark.parametrize("function", [F.embedding, of("embedding")])
def test_the_third_derivative_is_a_dense_scatter_add(function):
    weight, upstream = table(), table(7, 3)
    direction = torch.ones_like(weight).requires_grad_()
    (first,) = torch.autograd.grad(function(WORDS, weight, 4), weight, upstream, create_graph=True)
    (second,) = torch.autograd.grad(first, upstream, direction, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), direction)
    torch.testing.assert_close(third.sum(1), torch.tensor([3.0, 9, 3, 0, 0], dtype=third.dtype))


def test_a_derivative_through_forward_over_reverse():
    weight = table().detach()

    def twice(function):
        """The gradient of a tangent of a gradient: the third derivative of a fourth power."""

        def slope(w):
            gradient = torch.func.grad(lambda v: function(WORDS, v).pow(4).sum())
            return torch.func.jvp(gradient, (w,), (weight,))[1].square().sum()

        return torch.func.grad(slope)(weight)

    torch.testing.assert_close(twice(of("embedding")), twice(lambda words, v: v[words]))


def test_a_sparse_lookup_compiles():
    lookup = torch.compile(of("embedding"), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(lookup(WORDS, table().detach(), sparse=True), F.embedding(WORDS, table().detach()))
