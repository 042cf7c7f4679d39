"""The networks have the shapes and sizes that the literature gives."""

import pytest
import torch

from conceptlab.models import (
    GPT,
    MLP,
    CharRNN,
    Forecaster,
    LeNet5,
    ResNet18,
    Seq2Seq,
    SmallCNN,
    Softmax,
    TextClassifier,
)
from conceptlab.models.sampling import draw


@pytest.mark.parametrize(
    ("cls", "shape", "parameters"),
    [
        (Softmax, (1, 8, 8), 650),
        (MLP, (1, 8, 8), 17226),
        (LeNet5, (1, 28, 28), 61706),
        (SmallCNN, (3, 16, 16), 66410),
        (ResNet18, (3, 32, 32), 11173962),
    ],
)
def test_logits_and_number_of_parameters(cls, shape, parameters):
    model = cls(shape, classes=10)
    assert model(torch.randn(2, *shape)).shape == (2, 10)
    assert sum(p.numel() for p in model.parameters()) == parameters


LANGUAGE_MODELS = [
    lambda: GPT(65, context=64),
    lambda: CharRNN(65),
    lambda: CharRNN(65, kind="gru", layers=1, width=32),
    lambda: CharRNN(65, kind="rnn", layers=1, width=32),
]


@pytest.mark.parametrize(
    ("make", "parameters"), list(zip(LANGUAGE_MODELS, (804096, 1086017, 10561, 6337), strict=True))
)
def test_language_models_predict_from_what_came_before(make, parameters):
    torch.manual_seed(0)
    model = make().eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    tokens = torch.randint(65, (2, 12))
    logits = model(tokens)
    assert logits.shape == (2, 12, 65)
    changed = tokens.clone()
    changed[:, 7:] = 0
    torch.testing.assert_close(model(changed)[:, :7], logits[:, :7])
    assert not torch.equal(model(changed)[:, 7:], logits[:, 7:])


@pytest.mark.parametrize("make", LANGUAGE_MODELS)
def test_language_models_write_what_they_find_likeliest(make):
    torch.manual_seed(0)
    model = make().eval()
    written = model.generate(torch.tensor([[1, 2, 3], [4, 5, 6]]), count=4, temperature=0.0)
    assert written.shape == (2, 7)
    assert torch.equal(model(written[:, :-1]).argmax(2)[:, 2:], written[:, 3:])
    drawn = [model.generate(written[:, :1], 5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_gpt_has_one_weight_for_tokens_and_logits_and_begins_as_nanogpt_does():
    torch.manual_seed(0)
    model = GPT(65, context=64, bias=True)
    assert model.logits.weight is model.tokens.weight
    assert float(model.tokens.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    for block in model.blocks:
        for ends in (block.attention.out, block.narrow):
            assert float(ends.weight.detach().std()) == pytest.approx(0.02 / 8**0.5, rel=0.05)
        assert float(block.widen.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
        assert not block.widen.bias.any()
        assert torch.equal(block.norm1.weight, torch.ones(128))
    # before training every token is about as likely
    logits = model(torch.randint(65, (4, 64))).flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, torch.randint(65, (256,)))
    assert loss.item() == pytest.approx(4.17, abs=0.1)


def test_gpt_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="expected heads that divide the width, 128, received 3"):
        GPT(65, context=8, heads=3)
    model = GPT(65, context=8, layers=1)
    with pytest.raises(ValueError, match="expected at most 8 tokens, received 9"):
        model(torch.zeros(1, 9, dtype=torch.int64))
    with pytest.raises(IndexError, match="out of range"):
        model(torch.full((1, 4), 65))
    # what it writes may be longer: it sees the last ones
    assert model.generate(torch.zeros(1, 6, dtype=torch.int64), count=9).shape == (1, 15)


def test_drawing_a_token():
    logits = torch.tensor([[0.0, 3.0, 2.9, -1.0]])

    def drawn(temperature, top_k=None):
        generator = torch.Generator().manual_seed(0)
        return {int(draw(logits, temperature, top_k, generator)) for _ in range(400)}

    assert drawn(1.0) == {0, 1, 2, 3}
    assert drawn(1.0, top_k=2) == {1, 2}
    assert drawn(1.0, top_k=99) == {0, 1, 2, 3}
    assert drawn(0.01) == {1}
    assert drawn(0.0) == {1}


def test_seq2seq_sees_the_target_before_a_token_and_translates_alone():
    torch.manual_seed(0)
    model = Seq2Seq(16, width=32).eval()
    source, target = torch.randint(16, (2, 3, 10))
    logits = model(source, target)
    assert logits.shape == (3, 10, 16)
    changed = target.clone()
    changed[:, 4:] = 0
    torch.testing.assert_close(model(source, changed)[:, :5], logits[:, :5])
    answers, attention = model.translate(source, 7)
    assert (answers.shape, attention.shape) == ((3, 7), (3, 7, 10))
    torch.testing.assert_close(attention.sum(2), torch.ones(3, 7))
    assert torch.equal(model(source, answers).argmax(2), answers)


@pytest.mark.parametrize("reader", ["bag", "lstm", "transformer"])
def test_text_classifiers_do_not_read_padding(reader):
    torch.manual_seed(0)
    model = TextClassifier(50, length=9, classes=4, reader=reader, width=16, layers=2).eval()
    words = torch.randint(1, 50, (3, 9))
    words[1, 5:] = 0
    logits = model(words)
    assert logits.shape == (3, 4)
    torch.testing.assert_close(model(words[1:2, :5]), logits[1:2])


@pytest.mark.parametrize("reader", ["lstm", "transformer"])
def test_text_classifiers_refuse_a_width_that_cannot_be_shared(reader):
    with pytest.raises(ValueError, match="expected a width that can be divided by"):
        TextClassifier(50, length=9, classes=4, reader=reader, width=15)


def test_a_forecaster_adds_to_a_linear_one():
    torch.manual_seed(0)
    model = Forecaster(order=5, width=8).eval()
    series = torch.randn(3, 5, 1)
    assert model(series).shape == (3, 1)
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    torch.testing.assert_close(model(series), series.squeeze(2) @ model.linear.weight.t())
