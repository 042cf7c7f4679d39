"""The command line: what it does, and each mistake with its message, its exit code, and nothing half-written."""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from conceptlab import __version__, cli
from conceptlab.tasks.callbacks import SwapRecord
from tests.experiments.conftest import QUICK

REPOSITORY = Path(cli.__file__).parent.parent


def below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("trained")
    assert cli.main(["train", *QUICK, f"paths.output_dir={folder}", "parts=builtin"]) == 0
    return next(folder.glob("digits_softmax/*"))


def test_train_says_the_metrics_and_where_the_run_is(conceptlab, in_folder):
    code, out, _ = conceptlab("train", *QUICK)
    (run,) = (in_folder / "outputs" / "digits_softmax").iterdir()
    assert code == 0
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    assert f"run: {run.relative_to(in_folder)}" in out
    assert "test/accuracy 0." in out


@pytest.mark.slow
def test_a_sweep_runs_every_combination(conceptlab, in_folder):
    code, out, _ = conceptlab("train", "-m", *QUICK, "parts=builtin,handmade", "seed=1,2", "trainer.max_epochs=1")
    (sweep,) = (in_folder / "multirun" / "digits_softmax").iterdir()
    runs = sorted(path for path in sweep.iterdir() if path.is_dir())
    assert code == 0
    assert [run.name for run in runs] == ["0", "1", "2", "3"]
    assert all(json.loads((run / "status.json").read_text())["state"] == "finished" for run in runs)
    assert f"compare --runs {sweep.relative_to(in_folder)}" in out


@pytest.mark.slow
def test_a_job_that_fails_does_not_stop_the_sweep_and_says_so_in_its_folder(conceptlab, in_folder):
    code, _, err = conceptlab("train", "-m", *QUICK, "optimizer.lr=1e38,0.1", "trainer.max_epochs=1")
    (sweep,) = (in_folder / "multirun" / "digits_softmax").iterdir()
    states = [json.loads((sweep / job / "status.json").read_text()) for job in ("0", "1")]
    assert code == 1
    assert [status["state"] for status in states] == ["failed", "finished"]
    assert "expected a finite loss" in states[0]["error"]
    assert "expected a finite loss" in err
    assert "Traceback" not in err


def test_a_mistake_in_any_job_is_told_before_the_first_one_runs(conceptlab, in_folder):
    code, _, err = conceptlab("train", "-m", *QUICK, "parts=builtin,handmde")
    assert code == 1
    assert "Did you mean 'handmade'" in err
    assert below(in_folder) == []


@pytest.mark.slow
def test_a_checkpoint_is_tested_on_any_parts(conceptlab, trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    code, out, _ = conceptlab("test", f"ckpt_path={trained}/checkpoints/last.ckpt", "parts=handmade")
    assert code == 0
    assert f"test/accuracy {metrics['test/accuracy']:.6g}" in out


def test_the_configuration_is_shown_and_nothing_runs(conceptlab, in_folder):
    code, out, _ = conceptlab("train", "--cfg", "job", "experiment=digits_mlp", "seed=7")
    assert code == 0
    assert "seed: 7" in out
    assert below(in_folder) == []


@pytest.mark.parametrize("arguments", [["list"], ["show", "relu"], ["show", "rellu"], ["train", "seed=x"]], ids=str)
def test_garbage_is_collected_again_once_all_is_imported(conceptlab, in_folder, arguments):
    conceptlab(*arguments)
    assert gc.isenabled()


def test_list_names_every_concept(conceptlab):
    code, out, _ = conceptlab("list")
    assert code == 0
    assert "relu: ReLU and its kin" in out
    assert "Linear" in out


@pytest.mark.parametrize("name", ["relu", "LeakyReLU"])
def test_show_prints_the_page(conceptlab, name):
    code, out, _ = conceptlab("show", name)
    assert code == 0
    assert "ReLU and its kin" in out
    assert "handmade.py" in out or "handmade" in out


def test_audit_prints_what_the_parts_are_made_of(conceptlab):
    code, out, _ = conceptlab("audit", "digits_softmax", "parts=handmade")
    assert code == 0
    assert "Linear" in out


def test_version_and_help(conceptlab):
    assert conceptlab("--version")[:2] == (0, f"conceptlab {__version__}\n")
    for arguments in ([], ["--help"]):
        code, out, _ = conceptlab(*arguments)
        assert code == 0
        assert all(command in out for command in cli.COMMANDS)


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_has_help(conceptlab, command):
    code, out, _ = conceptlab(command, "--help")
    assert code == 0
    assert f"conceptlab {command}" in out


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["trian"], ["train", "--help"], ["bisect", "--help"]])
def test_what_needs_no_torch_does_not_import_it(arguments):
    program = f"import sys; from conceptlab import cli; cli.main({arguments!r}); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert result.stdout.endswith("False\n")


@pytest.mark.slow
def test_list_and_mistakes_import_no_lightning():
    program = """
import sys; from conceptlab import cli
cli.main(["list"]); cli.main(["show", "rellu"])
cli.main(["train", "experiment=digits_mpl"]); cli.main(["train", "parts.relu=niave"])
cli.main(["train", "+optimizer.lrr=3"])
print("lightning" in sys.modules)"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert result.stdout.endswith("False\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trian"], 2, "expected a command, received 'trian'. Did you mean 'train'?"),
        (["show", "rellu"], 1, "Did you mean 'relu'?"),
        (["train", "experiment=digits_mpl"], 1, "Did you mean 'digits_mlp'?"),
        (["train", "optimizer.lrr=3"], 1, "Did you mean 'lr'?"),
        (["train", "+optimizer.lrr=3"], 1, "Did you mean 'lr'?"),
        (["train", "parts.convolutoin=naive"], 1, "Did you mean 'convolution'?"),
        (["train", "parts.relu=niave"], 1, "Did you mean 'naive'?"),
        (["train", "parts.Linear=nowhere:Linear"], 1, "parts.Linear: expected an import path"),
        (["train", "parts.Linear=torch.nn.functional:relu"], 1, "parts.Linear: expected a subclass of"),
        (["train", "seed=one"], 1, "seed: expected an integer, received 'one'"),
        (["train", "experiment=mnist_mlp"], 1, "data.download=true"),
        (["train", "experiment=folder_cnn"], 1, "data.root=FOLDER"),
        (["train", "ckpt_path=last"], 1, "Start it without ckpt_path"),
        (["train", "-m", "ckpt_path=last", "seed=1,2"], 1, "expected a single run"),
        (["train", "ckpt_path=none.ckpt"], 1, "ckpt_path: expected a checkpoint, received none.ckpt"),
        (["test"], 1, "ckpt_path: expected a checkpoint"),
        (["test", "ckpt_path=none.ckpt"], 1, "ckpt_path: expected a checkpoint, received none.ckpt"),
        (["audit", "resnet81"], 1, "expected an experiment or a torchvision model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message_and_writes_nothing(conceptlab, in_folder, arguments, code, words):
    got, _out, err = conceptlab(*arguments)
    assert got == code
    assert words in err
    assert err.startswith("conceptlab: ")
    assert len(err.splitlines()) == 1
    assert below(in_folder) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_cuda_trainer_gpu_is_refused_in_one_line(conceptlab, in_folder):
    code, _, err = conceptlab("train", "trainer=gpu")
    assert code == 1
    assert "expected a CUDA device" in err
    assert "trainer=cpu" in err
    assert len(err.splitlines()) == 1
    assert below(in_folder) == []


def test_a_truncated_checkpoint(conceptlab, in_folder, trained):
    whole = (trained / "checkpoints" / "last.ckpt").read_bytes()
    torn = in_folder / "torn.ckpt"
    torn.write_bytes(whole[: len(whole) // 2])
    for command in ("train", "test"):
        code, _, err = conceptlab(command, f"ckpt_path={torn}")
        assert code == 1
        assert "to be a checkpoint" in err
        assert "truncated" in err
    assert below(in_folder) == [torn]


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"weights", "a file that does not hold weights and plain values alone"),
        (pickle.dumps(os.system, protocol=2), "a file that does not hold weights and plain values alone"),
        (b"", "EOFError"),
    ],
    ids=["text", "code", "empty"],
)
def test_a_file_that_is_no_checkpoint_is_never_advised_to_be_loaded_all_the_same(
    conceptlab, in_folder, content, received
):
    (in_folder / "strange.ckpt").write_bytes(content)
    code, _, err = conceptlab("test", "ckpt_path=strange.ckpt")
    assert code == 1
    assert f"received {received}. It may be truncated" in err
    assert "weights_only" not in err


def test_a_checkpoint_without_weights(conceptlab, in_folder):
    torch.save({"epoch": 1}, in_folder / "empty.ckpt")
    code, _, err = conceptlab("test", "ckpt_path=empty.ckpt")
    assert code == 1
    assert "received one without 'state_dict'" in err


def test_a_checkpoint_of_another_model(conceptlab, in_folder, trained):
    code, _, err = conceptlab("train", "experiment=digits_mlp", f"ckpt_path={trained}/checkpoints/last.ckpt")
    assert code == 1
    assert (
        "expected a checkpoint with 'model.1.weight' of shape [128, 64], received 'model.1.weight' of shape [10" in err
    )
    assert "another model" in err


def test_an_output_folder_that_cannot_be_written(conceptlab, in_folder):
    (in_folder / "file").write_text("in the way")
    code, _, err = conceptlab("train", *QUICK, "paths.output_dir=file/outputs")
    assert code == 1
    assert "paths: expected to write to file/outputs" in err
    assert "paths.output_dir=FOLDER" in err
    assert (in_folder / "file").read_text() == "in the way"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody can make another")
def test_an_output_folder_that_only_making_it_shows_to_be_impossible(conceptlab, in_folder):
    code, _, err = conceptlab("train", *QUICK, "paths.output_dir=/proc/outputs")
    assert code == 1
    assert "paths: expected to write to /proc/outputs" in err
    assert "Traceback" not in err


def test_a_loss_that_turns_nan_names_the_step_and_the_module(conceptlab, in_folder):
    code, _, err = conceptlab("train", *QUICK, "optimizer.lr=1e38")
    (run,) = (in_folder / "outputs" / "digits_softmax").iterdir()
    assert code == 1
    assert "step 1 (epoch 0): expected a finite loss" in err
    assert "'1' (Linear)" in err or "parameter '1." in err
    assert "Traceback" not in err
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
    assert len((run / "steps.csv").read_text().splitlines()) == 2


def test_ctrl_c_says_how_to_go_on_and_it_goes_on_in_its_own_folder(conceptlab, in_folder, monkeypatch):
    def interrupt(callback, trainer, task, batch, batch_idx):
        if trainer.global_step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(SwapRecord, "on_train_batch_start", interrupt)
        code, _, err = conceptlab("train", *QUICK)
    assert code == 130
    assert "ckpt_path=last goes on" in err
    (run,) = (in_folder / "outputs" / "digits_softmax").iterdir()
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    code, _out, _ = conceptlab("train", *QUICK, "ckpt_path=last")
    assert code == 0
    assert list((in_folder / "outputs" / "digits_softmax").iterdir()) == [run]
    assert len((run / "steps.csv").read_text().splitlines()) == 19
    # other parts are another run
    code, _, err = conceptlab("train", *QUICK, "ckpt_path=last", "parts=builtin")
    assert code == 1
    assert "with these parts" in err


@pytest.mark.slow
def test_ctrl_c_at_a_real_command_line(in_folder):
    """The signal comes from outside, at whatever moment."""
    command = [sys.executable, "-m", "conceptlab.cli", "train", *QUICK, "trainer.max_epochs=100000"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, cwd=in_folder, env=environment, stderr=subprocess.PIPE, text=True)
    epochs: list[Path] = []
    while process.poll() is None and not (epochs and epochs[0].stat().st_size > 100):
        epochs = list(in_folder.glob("outputs/*/*/epochs.csv"))
    process.send_signal(signal.SIGINT)
    assert "ckpt_path=last goes on" in process.communicate(timeout=100)[1]
    assert process.returncode == 130
    assert torch.load(epochs[0].parent / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] > 0


@pytest.mark.slow
def test_two_processes_learn_as_one_with_batches_twice_as_large(in_folder):
    """A sweep, so that the second job has to start processes of its own."""
    command = [sys.executable, "-m", "conceptlab.cli", "train", "-m", *QUICK, "trainer=ddp", "parts=builtin,handmade"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(command, cwd=in_folder, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    (sweep,) = (in_folder / "multirun" / "digits_softmax").iterdir()
    for job in ("0", "1"):
        assert json.loads((sweep / job / "status.json").read_text())["state"] == "finished"
        assert len((sweep / job / "steps.csv").read_text().splitlines()) == 19
    alone = ["train", *QUICK, "parts=builtin", "data.batch_size=128", f"hydra.run.dir={in_folder}/alone"]
    assert cli.main(alone) == 0
    both = [json.loads((folder / "metrics.json").read_text()) for folder in (sweep / "0", in_folder / "alone")]
    assert both[0] == pytest.approx(both[1], rel=1e-4)
