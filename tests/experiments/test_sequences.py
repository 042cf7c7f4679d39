"""Text, sequences, series and documents: the data, and what is said of those that cannot be used."""

import sys

import pytest
import torch

from conceptlab.configuration import Mistake, compose
from conceptlab.data import Copy, Docstrings, Reverse, Sunspots, Text
from conceptlab.data.docstrings import PADDING, UNKNOWN
from conceptlab.data.order import EpochOrder
from conceptlab.data.text import language_reference
from conceptlab.data.tokens import BytePairs, Characters, tokenizer_from
from conceptlab.tasks.forecasting import autoregression, continued
from conceptlab.tasks.run import build, check


@pytest.fixture
def file(tmp_path):
    """A text file of 400 characters, of which the last twenty are special."""
    path = tmp_path / "text.txt"
    path.write_text("abcdefgh\n" * 40 + "abcdefgh" + "x" * 12 + "ÿ☃" * 10, encoding="utf-8")
    return path


def text(file, **settings) -> Text:
    data = Text(file=str(file), **{"context": 8, "epoch_size": None, **settings})
    data.require()
    data.setup()
    return data


def test_the_target_of_each_token_is_the_next_one(file):
    data = text(file, batch_size=5)
    inputs, targets = next(iter(data.train_dataloader()))
    assert inputs.shape == targets.shape == (5, 8)
    assert inputs.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    decoded = data.tokenizer.decode(inputs[0].tolist())
    assert decoded in file.read_text(encoding="utf-8")


def test_nine_tenths_are_to_learn_from_and_the_vocabulary_is_theirs(file):
    data = text(file)
    written = file.read_text(encoding="utf-8")
    parts = {name: data.tokenizer.decode(tokens.tolist()) for name, tokens in data.tokens().items()}
    assert parts["train"] == written[:360]
    assert data.tokenizer.known == "\nabcdefgh"
    # what training has not seen is unknown
    assert set(parts["test"]) == {"\N{REPLACEMENT CHARACTER}"}
    assert len("".join(parts.values())) == len(written) == 400
    # a training window may begin anywhere, the others lie one beside the next
    assert {name: len(targets) for name, (_, targets) in data.splits.items()} == {"train": 352, "val": 2, "test": 2}


def test_characters_beyond_the_vocabulary_are_unknown_the_rarest_first():
    tokenizer = Characters.of("aaabbbccd", vocabulary=4)
    assert tokenizer.known == "abc"
    assert tokenizer.encode("dab") == [0, 1, 2]
    assert len(tokenizer) == 4
    assert tokenizer.decode([1, 99]) == "a\N{REPLACEMENT CHARACTER}"
    assert tokenizer_from(tokenizer.state()).encode("cab") == tokenizer.encode("cab")


def test_byte_pairs_write_every_text_and_are_made_again_from_their_state():
    pytest.importorskip("tokenizers", reason="byte pairs need the extra: pip install conceptlab[text]")
    reference = language_reference()[:20_000]
    tokenizer = BytePairs.of(reference, vocabulary=300)
    written = "An assertion ☃ \n  indented."
    tokens = tokenizer.encode(written)
    assert len(tokenizer) == 300
    assert tokenizer.decode(tokens) == written
    assert len(tokens) < len(written.encode())
    assert tokenizer_from(tokenizer.state()).encode(written) == tokens
    with pytest.raises(Mistake, match=r"data\.vocabulary: expected at least 256.*received 100"):
        BytePairs.of(reference, vocabulary=100)


def test_without_the_library_byte_pairs_say_how_to_get_it(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(Mistake, match=r"expected the package tokenizers, received none\. .*conceptlab\[text\]"):
        text(file, tokenizer="byte_pairs", vocabulary=300)


def test_the_default_text_is_there_and_fits_its_vocabulary():
    reference = language_reference()
    assert len(reference) > 300_000
    assert len(set(reference)) < compose(["experiment=text_gpt"]).data.vocabulary


def test_an_epoch_may_be_a_draw_of_the_samples():
    drawn = [list(EpochOrder(50, 8, 1, epoch_size=20, epoch=epoch)) for epoch in (0, 1)]
    sizes = [[len(indices) for _, indices in batches] for batches in drawn]
    assert sizes == [[8, 8, 4]] * 2
    flat = [[index for _, indices in batches for index in indices] for batches in drawn]
    assert all(len(set(indices)) == 20 for indices in flat)
    assert flat[0] != flat[1]
    assert len(EpochOrder(50, 8, 1, epoch_size=20)) == 3
    assert len(EpochOrder(50, 8, 1, epoch_size=99)) == 7
    shares = [list(EpochOrder(50, 8, 1, epoch_size=21, rank=rank, world=2)) for rank in (0, 1)]
    assert [sum(len(indices) for _, indices in share) for share in shares] == [10, 10]


@pytest.mark.parametrize(
    ("content", "context", "words"),
    [
        (None, 8, "received none"),
        (b"", 8, "received an empty one"),
        (b"fine so far \xff\xfe", 8, "received byte 0xff at position 12, which is not UTF-8"),
        (b"a" * 400, 64, "expected a text of which each part has more than 64 tokens, received 20 in the part for"),
    ],
    ids=["missing", "empty", "not UTF-8", "too short"],
)
def test_a_text_that_cannot_be_used_is_refused(tmp_path, content, context, words):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Mistake) as refused:
        text(path, context=context)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_is_no_text(tmp_path):
    with pytest.raises(Mistake, match="received none that can be read"):
        text(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiment=text_gpt", "data.context=0"], r"data\.context: expected at least 1, received 0"),
        (["experiment=text_gpt", "data.vocabulary=1"], r"data\.vocabulary: expected at least 2"),
        (["experiment=text_gpt", "data.context=999999"], r"data\.context=999999: expected a text of which each part"),
        (["experiment=text_gpt", "model.vocabulary=50"], r"model\.vocabulary: expected at least 128.*received 50"),
        (["experiment=text_gpt", "model.context=32"], r"model\.context: expected at least 64.*received 32"),
        (["experiment=text_gpt", "model.heads=5"], r"GPT: expected heads that divide the width, 128, received 5"),
        (["experiment=text_gpt", "task.prompt=''"], r"task\.prompt: expected at least one character"),
        (["experiment=text_gpt", "task.temperature=-1"], r"task\.temperature: expected 0 or more"),
        (["experiment=text_gpt", "task.top_k=0"], r"task\.top_k: expected at least 1"),
        (["experiment=text_gpt", "task.length=-1"], r"task\.length: expected"),
        (["experiment=text_gpt", "data.tokenizer=words"], "data.tokenizer: expected 'characters' or 'byte_pairs'"),
        (["experiment=text_lstm", "model.kind=lsmt"], "model.kind: expected 'rnn' or 'gru' or 'lstm'"),
        (["experiment=reverse_seq2seq", "model.vocabulary=8"], r"model\.vocabulary: expected at least 16"),
        (["experiment=reverse_seq2seq", "data.length=0"], r"data\.length: expected at least 1"),
        (["experiment=series_gru", "data.order=0"], r"data\.order: expected from 1 to 100"),
        (["experiment=series_gru", "model.order=5"], r"model\.order: expected 9, that of the data"),
        (["experiment=text_classification", "data.classes=99"], r"data\.classes: expected from 2 to 9"),
        (["experiment=text_classification", "model.classes=2"], r"model\.classes: expected at least 9"),
        (
            ["experiment=text_classification", "model.reader=transformer", "model.width=30"],
            r"expected a width that can be divided by 4, received 30",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_setting_that_cannot_be_used_is_told_before_anything_is_written(overrides, words, in_folder):
    with pytest.raises(Mistake, match=words):
        check(compose(overrides))
    assert list(in_folder.iterdir()) == []


def test_copy_and_reverse_have_exact_answers():
    for cls in (Copy, Reverse):
        data = cls(length=5, vocabulary=7, size=40, held_out=4, batch_size=8)
        data.require()
        data.setup()
        assert {name: len(targets) for name, (_, targets) in data.splits.items()} == {"train": 40, "val": 4, "test": 4}
        source, target = next(iter(data.train_dataloader()))
        assert torch.equal(target, source if cls is Copy else source.flip(1))
        assert source.max() < 7
    again = Reverse(length=5, vocabulary=7, size=40, held_out=4, seed=9)
    again.setup()
    assert torch.equal(again.splits["test"][1], data.splits["test"][1])


def test_sunspots_are_forecast_from_the_years_before():
    data = Sunspots(order=9)
    data.require()
    data.setup()
    assert {name: (years[0], years[-1]) for name, years in data.times.items()} == {
        "train": (1709, 1900),
        "val": (1901, 1945),
        "test": (1946, 2008),
    }
    inputs, targets = data.splits["val"]
    assert inputs([0]).shape == (1, 9, 1)
    assert torch.equal(inputs([3])[0, -1], targets[2])
    # the numbers of 1901 and of 2008
    original = [data.original(values) for values in (targets[0], data.splits["test"][1][-1])]
    torch.testing.assert_close(torch.cat(original), torch.tensor([2.7, 2.9]), rtol=1e-4, atol=1e-3)


def test_the_linear_autoregression_finds_what_is_linear():
    series = torch.randn(30, 4, 1)
    targets = series[:, 0] - 0.5 * series[:, 3] + 2
    coefficients = autoregression(series, targets)
    torch.testing.assert_close(coefficients.flatten(), torch.tensor([1.0, 0.0, 0.0, -0.5, 2.0]))
    torch.testing.assert_close(continued(series, coefficients), targets)


@pytest.fixture(scope="module")
def docstrings() -> Docstrings:
    data = Docstrings(classes=3, length=12, vocabulary=200)
    data.require()
    data.setup()
    return data


def test_documents_are_words_of_the_training_part(docstrings):
    (inputs, labels), (_, val), (_, test) = (docstrings.splits[name] for name in ("train", "val", "test"))
    assert len(labels) > 500
    assert len(val) == pytest.approx(len(labels) / 7, rel=0.05)
    assert len(test) == pytest.approx(len(labels) * 2 / 7, rel=0.05)
    words = inputs(list(range(len(labels))))
    assert words.shape[1] == 12
    assert int(words.max()) == 199
    assert (words[:, :6] != PADDING).all()
    assert len(docstrings.words) == 198
    assert docstrings.encode([(docstrings.words[0], "zyzzyva")])[0, :3].tolist() == [2, UNKNOWN, PADDING]
    assert set(labels.tolist()) == {0, 1, 2}


def test_the_vocabulary_of_a_checkpoint_is_taken(docstrings, file):
    other = Docstrings(classes=3, length=12, vocabulary=200)
    other.load_state_dict({"words": ["asyncio"]})
    assert other.encode([("asyncio", "the")])[0, :2].tolist() == [2, UNKNOWN]
    docstrings.load_state_dict(docstrings.state_dict())
    with pytest.raises(Mistake, match="another vocabulary"):
        docstrings.load_state_dict({"words": ["asyncio"]})
    data = text(file)
    data.load_state_dict(data.state_dict())
    with pytest.raises(Mistake, match="another vocabulary"):
        data.load_state_dict({"tokenizer": Characters("xyz").state()})


def test_without_the_sources_of_the_library_there_are_no_documents(monkeypatch, tmp_path):
    monkeypatch.setattr("conceptlab.data.docstrings._library", lambda: tmp_path)
    with pytest.raises(Mistake, match=r"expected the sources of Python's standard library in .*, received none of"):
        Docstrings().require()


@pytest.mark.parametrize("name", ["text", "copy", "reverse", "sunspots", "docstrings", "digits"])
def test_the_example_is_like_the_data(name):
    experiment = {
        "text": "text_gpt",
        "copy": "reverse_seq2seq",
        "reverse": "reverse_seq2seq",
        "sunspots": "series_gru",
        "docstrings": "text_classification",
        "digits": "digits_mlp",
    }[name]
    few = ["data.classes=2"] if name == "docstrings" else []
    task, data = build(compose([f"experiment={experiment}", f"data={name}", *few]))
    data.setup()
    made, real = data.example(), next(iter(data.train_dataloader()))
    for a, b in zip(made, real, strict=True):
        assert (a.shape[1:], a.dtype, len(a)) == (b.shape[1:], b.dtype, 2)
    assert torch.isfinite(task.step(made)[0])
