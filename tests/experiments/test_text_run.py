"""Runs on text, sequences, series and documents, tiny ones: what they leave, and that they can be taken up."""

import json
import os
import signal

import pytest
import torch

from conceptlab.configuration import compose
from conceptlab.data.tokens import tokenizer_from
from conceptlab.tasks import LanguageModel
from conceptlab.tasks.callbacks import SwapRecord
from conceptlab.tasks.run import RunResult, evaluate, train

SHORT = (
    "trainer.enable_progress_bar=false",
    "logger=none",
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=1",
)

GPT = (
    *SHORT,
    "experiment=text_gpt",
    "model.layers=1",
    "model.width=16",
    "model.dropout=0.1",
    "data.context=8",
    "data.epoch_size=48",
    "data.batch_size=16",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
    "task.length=20",
)

OTHERS = {
    "text_lstm": (
        "model.width=8",
        "data.context=8",
        "data.epoch_size=32",
        "trainer.limit_val_batches=1",
        "task.length=9",
    ),
    "reverse_seq2seq": ("model.width=8", "data.size=64", "data.held_out=8", "data.length=4"),
    "series_gru": ("model.width=4",),
    "text_classification": ("model.width=8", "data.classes=2", "data.vocabulary=100"),
}
FIGURES = {
    "text_lstm": {"sample_after_000003_steps.txt", "sample_after_000006_steps.txt"},
    "reverse_seq2seq": {"attention_1.json", "attention_2.json"},
    "series_gru": {"forecasts.json"},
    "text_classification": {"confusion.json"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunResult:
    """A GPT that was trained for six steps."""
    return train(compose([*GPT, "parts=builtin"]), tmp_path_factory.mktemp("gpt"))


def test_every_validation_leaves_a_sample_of_text(run):
    texts = {path.name: path.read_text(encoding="utf-8") for path in (run.folder / "figures").iterdir()}
    assert set(texts) == {"sample_after_000003_steps.txt", "sample_after_000006_steps.txt"}
    assert all(len(text) == 21 and text.startswith("\n") for text in texts.values())
    assert (run.folder / "epochs.csv").read_text().startswith("epoch,step,val/loss,lr\n")
    assert set(run.metrics) == {"test/loss"}


def test_the_checkpoint_holds_the_vocabulary_and_can_write_without_the_text(run):
    path = run.folder / "checkpoints" / "best.ckpt"
    tokenizer = tokenizer_from(torch.load(path, weights_only=True)["Text"]["tokenizer"])
    assert "abc" in tokenizer.known
    task = LanguageModel.load_from_checkpoint(path, weights_only=True).eval()
    assert task.sample(tokenizer, seed=3) == task.sample(tokenizer, seed=3) != task.sample(tokenizer, seed=4)


def test_a_checkpoint_is_tested_on_another_text_with_its_own_vocabulary(run, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("0123456789 zyx\n" * 40)
    checkpoint = run.folder / "checkpoints" / "last.ckpt"
    assert evaluate(compose(GPT), checkpoint) == pytest.approx(run.metrics, rel=1e-5)
    tested = evaluate(compose([*GPT, f"data.file={other}"]), checkpoint)
    assert tested["test/loss"] != pytest.approx(run.metrics["test/loss"], rel=1e-3)


def test_a_run_on_text_goes_on_bit_for_bit(run, tmp_path, monkeypatch):
    def interrupt(callback, trainer, task, batch, batch_idx):
        if trainer.global_step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    cfg = [*GPT, "parts=builtin"]
    with monkeypatch.context() as patch:
        patch.setattr(SwapRecord, "on_train_batch_start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(compose(cfg), tmp_path)
    cut = train(compose([*cfg, "ckpt_path=last"]), tmp_path)
    assert cut.metrics == run.metrics
    for name in ("steps.csv", "epochs.csv", "figures/sample_after_000006_steps.txt"):
        assert (cut.folder / name).read_text() == (run.folder / name).read_text()


@pytest.mark.parametrize("experiment", OTHERS)
def test_the_other_experiments_run(experiment, tmp_path):
    result = train(compose([*SHORT, f"experiment={experiment}", *OTHERS[experiment], "parts=handmade"]), tmp_path)
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert figures == FIGURES[experiment]
    assert {f"test/{name}" for name in ("loss",)} <= set(result.metrics)
    assert all(torch.isfinite(torch.tensor(value)) for value in result.metrics.values())
    for path in tmp_path.glob("figures/*.json"):
        exhibit = json.loads(path.read_text())
        assert {"kind", "name", "title", "caption"} <= set(exhibit)
        assert exhibit["name"] == path.stem
    if experiment == "series_gru":
        # the baselines are those of the data, whatever was learned
        assert result.metrics["test/mse_linear"] == pytest.approx(291.4, rel=1e-3)
        assert result.metrics["test/mse_last_value"] == pytest.approx(1145.7, rel=1e-3)
    if experiment == "text_classification":
        counts = [[int(count or 0) for count in row] for row in exhibit["written"]]
        right = sum(row[index] for index, row in enumerate(counts))
        assert right / sum(map(sum, counts)) == pytest.approx(result.metrics["test/accuracy"])
