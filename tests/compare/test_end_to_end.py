"""The whole way on real digits: training, yardstick, measurements, report."""

import json

import numpy as np
import pytest

from conceptlab.compare.command import main
from conceptlab.compare.runs import read_run


@pytest.mark.slow
def test_compare_on_digits(tmp_path):
    settings = ["experiment=digits_mlp", "trainer.max_epochs=1", "trainer.enable_progress_bar=false"]
    assert main([*settings, f"paths.run_dir={tmp_path}"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    builtin, handmade = report["variants"]
    assert handmade["kind"] in ("exact", "rounding")
    assert set(handmade["error_ratios"]) == {"gradient", "evaluation", "update"}
    assert handmade["batches_apart"] == 0
    assert handmade["step_ms"]["interleaved"]
    assert handmade["proof"]["audit"]["by_hand"] > 0
    assert builtin["proof"]["audit"]["by_hand"] == 0
    assert {row["name"] for row in builtin["where"]} == {row["name"] for row in handmade["where"]}
    # the yardstick starts one rounding away, and no further
    losses = [read_run(tmp_path / name).series["loss"] for name in ("builtin", "yardstick")]
    assert not np.array_equal(*losses)
    np.testing.assert_allclose(losses[0][:5], losses[1][:5], rtol=1e-5)


TINY = {
    "text_gpt": ("model.layers=1", "model.width=16", "data.context=8", "data.epoch_size=36"),
    "text_lstm": ("model.width=8", "data.context=8", "data.epoch_size=36"),
    "reverse_seq2seq": ("model.width=8", "data.size=128", "data.held_out=8", "data.length=4"),
    "series_gru": (),
    "text_classification": (
        "model.reader=transformer",
        "model.dropout=0.1",
        "model.width=8",
        "data.classes=2",
        "trainer.limit_train_batches=3",
    ),
}
SHOWN = {
    "text_gpt": "sample after 000003 steps",
    "text_lstm": "sample after 000003 steps",
    "reverse_seq2seq": "Attention, test sequence 1",
    "series_gru": "Forecasts of the test data",
    "text_classification": "Confusion matrix of the test data",
}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", TINY)
def test_compare_on_sequences(tmp_path, experiment, monkeypatch):
    """What is not an image: tokens, models that are given two things, losses of whole sequences."""
    monkeypatch.setattr("conceptlab.compare.measure.STEPS", 6)
    settings = [f"experiment={experiment}", *TINY[experiment], "trainer.max_epochs=1"]
    settings += ["trainer.check_val_every_n_epoch=1", "trainer.limit_test_batches=1", "trainer.limit_val_batches=1"]
    assert main([*settings, "trainer.enable_progress_bar=false", f"paths.run_dir={tmp_path}"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    builtin, handmade = report["variants"]
    assert handmade["kind"] in ("exact", "rounding")
    assert handmade["batches_apart"] == 0
    assert handmade["proof"]["audit"]["by_hand"] > builtin["proof"]["audit"]["by_hand"] == 0
    assert [e["name"] for e in builtin["exhibits"]] == [e["name"] for e in handmade["exhibits"]]
    assert SHOWN[experiment] in (tmp_path / "report.html").read_text()
