"""``conceptlab compare``, with a training that is over at once."""

import json
import shutil

import pytest
import yaml
from omegaconf import OmegaConf

import conceptlab.tasks.run
from conceptlab.compare import command
from conceptlab.compare.command import main
from conceptlab.configuration import Mistake, plain

from .runs import make_run, measured, rounding


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Replaces training and measuring; holds the configurations that were trained, and what shall go wrong."""

    class Trained(list):
        fails = {}  # noqa: RUF012 - one for each test
        out = tmp_path / "out"

    trained = Trained()
    trained.fails = {}

    def train(config, folder):
        trained.append((folder.name, plain(config)))
        shutil.rmtree(folder, ignore_errors=True)
        error = trained.fails.get(folder.name)
        seeds = {"builtin": 0, "handmade": 1, "yardstick": 2}
        make_run(folder, factors=rounding(seeds.get(folder.name, 3)), state="failed" if error else "finished")
        config = OmegaConf.to_yaml(OmegaConf.create(plain(config)))
        (folder / "config.yaml").write_text(config)
        if error:
            (folder / "status.json").write_text(json.dumps({"state": "failed", "error": str(error)}))
            raise error

    def measure(runs):
        for run in runs:
            (run.folder / "measured.json").write_text(json.dumps(measured()))

    monkeypatch.setattr(conceptlab.tasks.run, "train", train)
    monkeypatch.setattr(command, "_measure", measure)
    return trained


def compare(trained, *overrides):
    return main(["experiment=digits_mlp", f"paths.run_dir={trained.out}", *overrides])


@pytest.mark.slow
def test_runs_each_variant_and_the_yardstick_alike(trained, capsys):
    assert compare(trained) == 0
    assert [name for name, _ in trained] == ["builtin", "handmade", "yardstick"]
    (_, builtin), (_, handmade), (_, yardstick) = trained
    assert (builtin["parts"], handmade["parts"]) == ({"default": "builtin"}, {"default": "handmade"})
    assert builtin["paths"]["run_dir"] == str(trained.out / "builtin")
    for key in ("seed", "model", "data", "optimizer", "trainer"):
        assert builtin[key] == handmade[key] == yardstick[key]
    assert yardstick["parts"] == builtin["parts"]
    assert "yardstick" in yardstick["callbacks"]
    assert "yardstick" not in builtin["callbacks"]
    printed = capsys.readouterr().out
    assert str(trained.out / "report.html") in printed
    assert "Yes, up to rounding" in printed
    report = json.loads((trained.out / "report.json").read_text())
    assert [variant["kind"] for variant in report["variants"]] == [None, "rounding"]
    assert len(report["yardsticks"]) == 1


def test_a_new_folder_each_time(trained):
    assert main(["experiment=digits_mlp", f"paths.output_dir={trained.out}"]) == 0
    (page,) = trained.out.glob("digits_mlp/compare_*/report.html")
    assert trained[0][1]["paths"]["run_dir"] == str(page.parent / "builtin")


def test_variants_may_be_mappings(trained):
    compare(trained, "variants=[builtin,{default: builtin, relu: naive}]")
    assert [name for name, _ in trained] == ["builtin", "builtin-relu-naive", "yardstick"]
    assert trained[1][1]["parts"] == {"default": "builtin", "relu": "naive"}


def test_a_variant_that_fails_is_told_and_the_others_are_reported(trained, capsys):
    trained.fails = {"handmade": Mistake("the loss is NaN at step 3")}
    assert compare(trained, "variants=[builtin,handmade,naive]") == 1
    assert "NaN at step 3" in capsys.readouterr().out
    report = json.loads((trained.out / "report.json").read_text())
    assert [variant["name"] for variant in report["variants"]] == ["builtin", "naive"]
    assert [run["variant"] for run in report["failed"]] == ["handmade"]
    assert "NaN at step 3" in (trained.out / "report.html").read_text()


def test_an_unforeseen_error_is_shown_with_its_traceback(trained, capsys):
    trained.fails = {"handmade": RuntimeError("shapes [3] and [4]")}
    assert compare(trained) == 1
    printed = capsys.readouterr().out
    assert "Traceback" in printed
    assert "shapes [3] and [4]" in printed


def test_nothing_finished(trained):
    trained.fails = {name: Mistake("no") for name in ("builtin", "handmade")}
    with pytest.raises(Mistake, match="at least one run that finished"):
        compare(trained)


def test_ctrl_c_says_how_to_go_on_and_going_on_repeats_nothing(trained, capsys):
    trained.fails = {"handmade": KeyboardInterrupt()}
    assert compare(trained) == 130
    assert f"conceptlab compare experiment=digits_mlp paths.run_dir={trained.out}\n" in capsys.readouterr().out
    trained.fails = {}
    trained.clear()
    (trained.out / "handmade" / "checkpoints").mkdir()
    (trained.out / "handmade" / "checkpoints" / "last.ckpt").touch()
    assert compare(trained) == 0
    assert [(name, config["ckpt_path"]) for name, config in trained] == [("handmade", "last"), ("yardstick", None)]


def test_another_configuration_in_the_same_folder_is_refused(trained):
    compare(trained)
    with pytest.raises(Mistake, match="another configuration in builtin"):
        compare(trained, "seed=7")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["parts=naive"], "Say which parts to compare"),
        (["parts.relu=naive"], "Say which parts to compare"),
        (["variants=[builtin,handmad]"], "Did you mean 'handmade'"),
        (["--runs", "nowhere"], "does not exist"),
        (["--runs", "nowhere", "--", "seed=3"], "folders only"),
    ],
)
def test_mistakes(overrides, words, trained):
    with pytest.raises(Mistake, match=words):
        main(overrides)
    assert trained == []


def test_runs_that_exist(tmp_path, capsys):
    for seed in (1, 2):
        make_run(tmp_path / f"{seed}", seed=seed)
        make_run(tmp_path / f"{seed}h", "handmade", seed=seed, factors=rounding(seed))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["--runs", str(tmp_path)]) == 0
    assert str(tmp_path / "report.html") in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_without_a_configuration(tmp_path):
    make_run(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "status.json").write_text(json.dumps({"state": "failed", "error": "no such file"}))
    assert main(["--runs", str(tmp_path)]) == 1
    assert (
        yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())["name"] in (tmp_path / "report.html").read_text()
    )
