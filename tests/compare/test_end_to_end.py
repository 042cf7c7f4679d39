"""The whole way on real digits: training, yardstick, measurements, report."""

import json

import numpy as np
import pytest

from conceptlab.compare import main
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
