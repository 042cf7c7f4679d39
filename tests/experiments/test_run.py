"""A run leaves the folder that docs/runs.md describes, and can be killed and taken up bit for bit."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
import torch
import yaml

from conceptlab.configuration import compose
from conceptlab.tasks import Classification
from conceptlab.tasks.callbacks import LastCheckpoint, SwapRecord
from conceptlab.tasks.run import RunResult, build, evaluate, train
from tests.experiments.conftest import QUICK


def quick(*overrides: str) -> tuple[str, ...]:
    return (*QUICK, *overrides)


def leave_nothing(parameters, clip_value: float) -> None:
    """Stands for ``clip_grad_value_``, so that a run shows that it was asked."""
    for parameter in parameters:
        parameter.grad.zero_()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunResult:
    return train(compose(quick("parts=handmade", "logger=csv")), tmp_path_factory.mktemp("run"))


def test_the_folder_holds_what_is_promised(run):
    files = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml",
        "status.json",
        "steps.csv",
        "epochs.csv",
        "metrics.json",
        "swap.json",
        "timing.json",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "figures/confusion.json",
        "csv/version_0/metrics.csv",
        "csv/version_0/hparams.yaml",
    }
    status = json.loads((run.folder / "status.json").read_text())
    assert status["state"] == run.state == "finished"
    assert status["error"] is None
    assert status["start"] < status["end"]
    assert json.loads((run.folder / "metrics.json").read_text()) == run.metrics
    assert set(run.metrics) == {"test/loss", "test/accuracy"}


def test_every_step_has_its_loss_and_gradient_norm_in_full_precision(run):
    steps = rows(run.folder / "steps.csv")
    assert [int(row["step"]) for row in steps] == list(range(18)) == list(range(run.steps))
    assert [int(row["epoch"]) for row in steps] == [0] * 6 + [1] * 6 + [2] * 6
    task, data = build(compose(quick("parts=handmade")))
    data.setup()
    task.on_train_batch_start = lambda *_: None
    loss, _ = task.step(next(iter(data.train_dataloader())))
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in task.parameters()])
    assert (float(steps[0]["loss"]), float(steps[0]["grad_norm"])) == (loss.item(), norm.item())


def test_every_epoch_has_its_validation(run):
    epochs = rows(run.folder / "epochs.csv")
    assert [(int(row["epoch"]), int(row["step"])) for row in epochs] == [(0, 6), (1, 12), (2, 18)]
    assert all(0 <= float(row["val/accuracy"]) <= 1 for row in epochs)
    assert {row["lr"] for row in epochs} == {"0.1"}


def test_the_configuration_can_be_run_again_as_it_is(run, tmp_path):
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert config["parts"] == {"default": "handmade"}
    again = train(config, tmp_path)
    assert (again.folder / "steps.csv").read_text() == (run.folder / "steps.csv").read_text()
    assert again.metrics == run.metrics


def test_the_scheduler_is_what_parts_say():
    setting = ("parts=builtin", "parts.CosineAnnealingLR=naive", "scheduler=cosine")
    task, _ = build(compose(quick(*setting)))
    assert task.configure_optimizers()["lr_scheduler"].tier == "naive"
    assert [entry.part for entry in task.reports["scheduler"].swapped] == ["CosineAnnealingLR"]


def test_the_record_of_swaps_names_what_was_swapped(run):
    record = json.loads((run.folder / "swap.json").read_text())
    assert {"model", "loss", "optimizer", "scheduler", "transform"} <= set(record)
    assert ("1", "Linear", "handmade") in [(e["name"], e["part"], e["after"]) for e in record["model"]["swapped"]]
    assert [e["part"] for e in record["optimizer"]["swapped"]] == ["SGD"]


def test_the_times_are_of_the_parts_of_a_step(run):
    timing = json.loads((run.folder / "timing.json").read_text())
    assert timing["steps"] == 18 - 3
    assert 0 < timing["forward"] + timing["backward"] + timing["optimizer"] < 2 * timing["step"]
    assert timing["peak_memory"] > 1e7
    assert timing["device"] == "cpu"


def test_checkpoints_hold_nothing_but_plain_values(run):
    task = Classification.load_from_checkpoint(run.folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert task.hparams.parts == {"default": "handmade"}
    assert task.model[1].tier == "handmade"


def test_the_test_of_a_checkpoint_gives_the_metrics_of_its_run_on_any_parts(run):
    assert evaluate(compose(quick("parts=handmade")), run.folder / "checkpoints" / "last.ckpt") == run.metrics
    other = evaluate(compose(quick("parts=builtin")), run.folder / "checkpoints" / "last.ckpt")
    assert other == pytest.approx(run.metrics, rel=1e-5)


def test_all_parts_begin_with_the_same_weights_and_batches():
    built = [build(compose(["experiment=digits_cnn", f"parts={parts}"])) for parts in ("builtin", "handmade")]
    tasks, data = zip(*built, strict=True)
    for first, second in zip(*(task.state_dict().values() for task in tasks), strict=True):
        assert torch.equal(first, second)
    for module in data:
        module.setup()
    (x, y), (u, v) = (next(iter(module.train_dataloader())) for module in data)
    assert torch.equal(y, v)
    torch.testing.assert_close(x, u)


def test_the_seed_decides():
    first, same, other = (build(compose(quick(f"seed={seed}")))[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["model.1.weight"], other["model.1.weight"])


DROPOUT = ("experiment=digits_mlp", "model.dropout=0.3", "scheduler=cosine", "callbacks=none")
"""Something random in each step, and something that changes with the epochs."""


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 6, 9, 12], ids=["first epoch", "end of an epoch", "mid-epoch", "last of an epoch"])
def test_ctrl_c_leaves_a_checkpoint_from_which_the_run_goes_on_bit_for_bit(tmp_path, monkeypatch, step):
    cfg = compose(quick(*DROPOUT))
    whole = train(cfg, tmp_path / "whole")

    def interrupt(callback, trainer, task, batch, batch_idx):
        if trainer.global_step == step - 1:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(SwapRecord, "on_train_batch_start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(cfg, tmp_path / "cut")
    assert signal.getsignal(signal.SIGINT) is before
    status = json.loads((tmp_path / "cut" / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert len(rows(tmp_path / "cut" / "steps.csv")) == step
    assert not (tmp_path / "cut" / "metrics.json").exists()

    cut = train(compose(quick(*DROPOUT, "ckpt_path=last")), tmp_path / "cut")
    assert cut.metrics == whole.metrics
    for name in ("steps.csv", "epochs.csv"):
        assert (cut.folder / name).read_text() == (whole.folder / name).read_text()
    for name, value in weights(whole.folder).items():
        assert torch.equal(weights(cut.folder)[name], value), name


@pytest.mark.slow
def test_a_killed_run_goes_on_from_the_last_epoch_bit_for_bit(tmp_path, monkeypatch):
    cfg = compose(quick(*DROPOUT))
    whole = train(cfg, tmp_path / "whole")

    def die(callback, trainer, task, batch, batch_idx):
        if trainer.global_step == 9:
            raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(SwapRecord, "on_train_batch_start", die)
        with pytest.raises(RuntimeError, match="power"):
            train(cfg, tmp_path / "cut")
    status = json.loads((tmp_path / "cut" / "status.json").read_text())
    assert (status["state"], status["error"]) == ("failed", "the power is gone")
    assert len(rows(tmp_path / "cut" / "steps.csv")) == 9
    cut = train(compose(quick(*DROPOUT, "ckpt_path=last")), tmp_path / "cut")
    for name in ("steps.csv", "epochs.csv"):
        assert (cut.folder / name).read_text() == (whole.folder / name).read_text()


def test_a_second_ctrl_c_stops_at_once(tmp_path, monkeypatch):
    def interrupt(callback, trainer, task, batch, batch_idx):
        if trainer.global_step == 9:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SwapRecord, "on_train_batch_start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(compose(quick()), tmp_path)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 6


def test_a_checkpoint_that_cannot_be_finished_leaves_the_one_before(tmp_path, monkeypatch):
    def torn(self, trainer):
        self.path.with_suffix(".unfinished").write_bytes(b"half of it")
        raise OSError("no space left on device")

    train(compose(quick()), tmp_path)
    before = (tmp_path / "checkpoints" / "last.ckpt").read_bytes()
    monkeypatch.setattr(LastCheckpoint, "_save", torn)
    with pytest.raises(OSError, match="no space"):
        train(compose(quick("trainer.max_epochs=4", "ckpt_path=last")), tmp_path)
    assert (tmp_path / "checkpoints" / "last.ckpt").read_bytes() == before


def test_steps_of_several_batches_count_as_one(tmp_path):
    result = train(compose(quick("trainer.accumulate_grad_batches=2")), tmp_path)
    steps = rows(result.folder / "steps.csv")
    assert [int(row["step"]) for row in steps] == list(range(9)) == list(range(result.steps))


@pytest.mark.slow
def test_gradients_are_clipped_by_the_part(tmp_path):
    clipped = ("trainer.gradient_clip_val=1", "+trainer.gradient_clip_algorithm=value", "trainer.max_epochs=1")
    part = f"parts.clip_grad_value_={__name__}:leave_nothing"
    first = dict(build(compose(quick()))[0].state_dict())
    train(compose(quick(*clipped, part)), tmp_path)
    assert all(torch.equal(value, first[name]) for name, value in weights(tmp_path).items())
