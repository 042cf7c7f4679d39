"""``conceptlab verify``: what it says of targets that are right, wrong, or worse; its exit status; its files."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from conceptlab import __version__
from conceptlab.cli import main
from conceptlab.core import registry
from conceptlab.verify import verify
from conceptlab.verify.running import FEW, result_of
from conceptlab.verify.suite import CHECKS, SLOW, values
from conceptlab.verify.target import target

MINE = '''
import os, sys, time
import torch

def right(input, inplace=False):
    return torch.relu_(input) if inplace else torch.relu(input)

def twice(input, inplace=False):
    return 2 * right(input, inplace)

def raises(input, inplace=False):
    raise RuntimeError("not today")

def crashes(input, inplace=False):
    if input.shape == (5,):
        os.kill(os.getpid(), 11)
    return right(input, inplace)

def hangs(input, inplace=False):
    while input.shape == (5,):
        time.sleep(1)
    return right(input, inplace)

def waits(input, inplace=False):
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

def leaves(input, inplace=False):
    sys.exit(3)

def prints(input, inplace=False):
    print("hello")
    os.system("echo from a program >&2")
    return right(input, inplace)

def disturbs(input, inplace=False):
    torch.set_default_dtype(torch.float16)
    return right(input, inplace)

def takes_nothing():
    pass

class ReLU(torch.nn.Module):
    """Needs no base class but torch's Module."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return right(input, self.inplace)

no_function = 3
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(MINE)
    (folder / "raising.py").write_text("raise RuntimeError('no module\\ntoday')")
    (folder / "leaving.py").write_text("import sys; sys.exit(0)")
    (folder / "crashing.py").write_text("import os; os.kill(os.getpid(), 11)")
    (folder / "hanging.py").write_text("import time; time.sleep(600)")
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run the command: exit status, what it prints, what it complains of."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def run(words):
        status = main(["verify", *words.split()])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def own(name, *checks, more=""):
    return f"mine:{name} --like relu --only {' '.join(checks)} {more}"


@pytest.mark.slow
def test_right(run):
    status, out, _ = run(own("right", "values", "precision", "error_inputs"))
    assert status == 0
    assert "relu-right like relu: 3 passed, 0 failed, 0 not applicable" in out
    assert "Values, in-place effects, dtype, shape and strides" in out
    assert re.search(r"passed +values .* (\d+) of \1\b", out)


@pytest.mark.slow
def test_wrong(run):
    status, out, _ = run(own("twice", "values", "error_inputs"))
    assert status == 1
    assert "relu-twice: values: " in out
    assert "Mismatch: value: differs by" in out


@pytest.mark.slow
def test_raising(run):
    status, out, _ = run(own("raises", "values"))
    assert status == 1
    assert "RuntimeError: not today" in out


@pytest.mark.slow
def test_a_layer_needs_no_base_class(run):
    status, out, err = run("mine:ReLU --like ReLU --quick")
    assert status == 0, out + err
    assert "left out: compiled_layer" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words", "more"),
    [("crashes", "crashed: signal 11", ""), ("hangs", "hangs: more than 5 s", "--time-limit 5")],
)
def test_what_is_lost_costs_its_sample_only(run, folder, name, words, more):
    status, out, _ = run(own(name, "values", "precision", "devices", more=f"{more} --json {name}.json"))
    assert status == 1
    assert "op-1 ('float64[5]',) {}: " + words in out
    (report,) = json.loads((folder / f"{name}.json").read_text())["reports"]
    expected = {result.check: result for result in verify(F.relu, like="relu", only=["values", "precision"]).results}
    for result in report["results"]:
        assert result["failed"] == 1
        if result["check"] in expected:
            assert result["passed"] == expected[result["check"]].passed - 1


@pytest.mark.slow
def test_a_target_that_is_lost_at_every_sample_is_given_up(run, folder):
    status, out, _ = run(own("leaves", "values", "precision", more="--json leaves.json"))
    assert status == 1
    assert "ended the interpreter: exit status 3" in out
    assert "given up: its other samples did not run" in out
    (report,) = json.loads((folder / "leaves.json").read_text())["reports"]
    assert [(result["passed"], result["failed"]) for result in report["results"]] == [(0, 3), (0, 1)]


@pytest.mark.slow
def test_printing_is_a_note(run, folder):
    status, out, _ = run(own("prints", "values", more="--json prints.json"))
    assert status == 0
    assert out.count("hello") == out.count("from a program") == 1
    (report,) = json.loads((folder / "prints.json").read_text())["reports"]
    assert report["results"][0]["notes"] == ["prints: hello\nfrom a program"]


@pytest.mark.slow
def test_disturbing(run):
    status, out, _ = run(own("disturbs", "values", "global_state"))
    assert status == 1
    assert re.search(r"passed +values ", out)
    assert "after the call default dtype: expected torch.float32, received torch.float16" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            "nowhere:relu --like relu",
            "verify --like relu: expected an import path 'module:object' that leads to a class or function, "
            "received 'nowhere:relu' (No module named 'nowhere')",
        ),
        ("mine:nothing --like relu", "has no attribute 'nothing'"),
        ("mine:no_function --like relu", "expected a function, received 3"),
        ("mine:right --like ReLU", "expected a subclass of torch.nn.modules.module.Module"),
        ("mine:ReLU --like relu", "expected a function"),
        ("mine:takes_nothing --like relu", "as torch's relu is, with (input), received ()"),
        ("mine:right --like rellu", "Did you mean 'relu'?"),
        ("mine:right --like relu --only behaviour", "expected a check of a function, received 'behaviour'"),
        ("raising:relu --like relu", "raising:relu: its import raises RuntimeError: no module today"),
        ("leaving:relu --like relu", "leaving:relu: its import raises SystemExit: 0"),
        ("crashing:relu --like relu", "crashing:relu: its import crashed: signal 11"),
        ("hanging:relu --like relu --time-limit 2", "hanging:relu: its import hangs: more than 2 s"),
    ],
)
def test_no_such_target(run, words, complaint):
    status, out, err = run(words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("convolutoin", "Did you mean 'convolution'?"),
        ("relu --tier handmad", "Did you mean 'handmade'?"),
        ("relu --tier builtin", "Known: "),
        ("relu --only valuess", "Did you mean 'values'?"),
        ("relu --dtypes float23", "Did you mean 'float32'?"),
        ("Linear --only values", "expected parts that have the tier and the checks"),
        ("mine:right", "--like: expected a name"),
        ("mine:right relu --like relu", "expected one import path"),
        ("mine:right --like relu --tier naive", "--tier: expected no tier"),
        ("relu --like relu", "--like: expected an import path to go with it"),
        ("relu --time-limit 0", "--time-limit: expected a number above 0"),
        ("relu --workers 0", "--workers: expected a number above 0"),
        ("relu --sample 0", "--sample: expected a number above 0"),
        ("relu --json nowhere/report.json", "--json: expected a file in a folder that exists"),
    ],
)
def test_wrong_calls(run, words, complaint):
    status, out, err = run(words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_no_cuda(run):
    status, _, err = run("relu --device cuda")
    assert (status, err.count("\n")) == (2, 1)
    assert "'cuda', which it has not" in err


@pytest.mark.parametrize("words", ["--quik", "--time-limit soon", "--device tpu"])
def test_wrong_options(run, words):
    assert run(words)[0] == 2


@pytest.mark.slow
def test_a_concept_by_name(run, folder):
    status, out, _ = run("linear --workers 2 --only values behaviour --json linear.json --markdown linear.md")
    assert status == 0
    assert "4 of 4 targets passed all of their checks." in out
    record = json.loads((folder / "linear.json").read_text())
    assert record["passed"]
    assert record["conditions"]["torch"] == torch.__version__
    targets = {f"{p.name}-{tier}" for p in registry.parts.values() if p.concept == "linear" for tier in p.tiers}
    assert {report["target"] for report in record["reports"]} == {t for t in targets if "builtin" not in t}
    for report in record["reports"]:
        (result,) = report["results"]
        assert (result["status"], result["failed"], report["passed"]) == ("passed", 0, True)
        assert result["passed"] > 0
    page = (folder / "linear.md").read_text()
    assert torch.__version__ in page
    assert re.search(r"^\| linear-naive \| (\d+) of \1 \| 1 \| 0 \| 0 \|$", page, re.M)


@pytest.mark.slow
def test_several_threads_do_not_hang():
    words = "verify linear --tier handmade --only values"
    command = [sys.executable, "-m", "conceptlab.cli", *words.split()]
    outcome = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "2"}, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.slow
def test_a_part_and_a_tier(run):
    status, out, _ = run("Linear --tier naive --only constructed")
    assert status == 0
    assert "1 of 1 targets" in out
    assert "Linear-naive" in out


@pytest.mark.slow
def test_dtypes(run, folder):
    run("linear --tier handmade --only precision half_precision --dtypes bfloat16 --json dtypes.json")
    (report,) = json.loads((folder / "dtypes.json").read_text())["reports"]
    single, half = report["results"]
    assert single["left_out"] == {"not among the dtypes that were asked for": 1}
    assert half["left_out"] == {"not among the dtypes that were asked for": 1}
    assert (single["passed"], half["passed"] > 0) == (0, True)


@pytest.mark.slow
def test_quick_says_what_it_leaves_out(run, folder):
    status, out, _ = run("max_pool1d --tier handmade --quick --json quick.json --sample 1")
    assert status == 0
    assert "Quick: at most 30 samples a check, drawn, and without compiled, " in out
    assert "A draw of 1 of the targets." in out
    (report,) = json.loads((folder / "quick.json").read_text())["reports"]
    (note,) = report["notes"]
    slow = {check.__name__ for check in CHECKS["function"] if check in SLOW}
    assert set(note.removeprefix("left out: ").split(", ")) == slow
    first = next(result for result in report["results"] if result["check"] == "values")
    assert first["passed"] + sum(first["left_out"].values()) == 30
    assert re.fullmatch(r"30 of \d+ samples, drawn", first["notes"][0])


@pytest.mark.slow
def test_quick_draws_the_same_samples_from_all_alike():
    seen = [[], []]
    for numbers in seen:
        aim = target(torch.max_pool1d, "max_pool1d")
        result_of(
            values, aim, quick=True, announce=lambda number, _, numbers=numbers: number >= 0 and numbers.append(number)
        )
    assert seen[0] == seen[1]
    assert len(seen[0]) == FEW < seen[0][-1]


@pytest.mark.slow
def test_quick_in_this_process_leaves_out_what_is_slow():
    report = verify(F.relu, like="relu", quick=True)
    assert report.passed
    slow = {"compiled", "gradgradcheck", "compiled_once", "inductor"}
    assert set(report.notes[0].removeprefix("left out: ").split(", ")) == slow
    assert not slow & {result.check for result in report.results}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_parent_and_child(folder, sent):
    pid = folder / "pid"
    pid.unlink(missing_ok=True)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "conceptlab.cli", "verify", "mine:waits", "--like", "relu"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    # whoever runs the tests in the background may have its signals ignored, and children inherit that
    default = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=default
    ) as parent:
        _wait_for(lambda: pid.is_file() and pid.read_text())
        parent.send_signal(sent)
        complaint = parent.communicate()[1]
    _wait_for(lambda: not _runs(int(pid.read_text())))
    if sent == signal.SIGINT:
        assert parent.returncode == 130
        assert "Traceback" not in complaint


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_what_was_interrupted_goes_on(folder, run):
    """Killed, it leaves a file that is whole; --resume does the rest, and what is the same is not done again."""
    file = folder / "run.json"
    words = "elu relu --tier handmade --only signature values --json run.json"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "conceptlab.cli", "verify", *words.split()]
    with subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(root)}) as parent:
        _wait_for(file.is_file)
        parent.kill()
    first = json.loads(file.read_text())
    done = [report["target"] for report in first["reports"]]
    assert 0 < len(done) < len(done) + len(first["missing"])
    assert not first["passed"]
    # a mark, by which one sees that it was taken over
    first["reports"][0]["notes"] = ["from the first run"]
    file.write_text(json.dumps(first))
    status, out, err = run(f"{words} --resume")
    assert status == 0, err
    second = json.loads(file.read_text())
    assert second["passed"]
    assert not second["missing"]
    assert ["from the first run"] in [report["notes"] for report in second["reports"]]
    assert all(target in out for target in done)
    assert run(f"{words} --resume")[0] == 0


@pytest.mark.parametrize(
    ("text", "words", "complaint"),
    [
        (None, "--json no.json", "no.json: No such file"),
        ("{", "--json bad.json", "expected a file that --json wrote, received bad.json"),
        ("{}", "--json bad.json", "expected a file that --json wrote"),
        (None, "", "expected --json FILE with it"),
    ],
)
def test_nothing_to_go_on_from(folder, run, text, words, complaint):
    if text is not None:
        (folder / "bad.json").write_text(text)
    status, _, err = run(f"relu --tier handmade {words} --resume")
    assert status == 2
    assert complaint in err


def test_no_going_on_from_other_conditions(folder, run, monkeypatch):
    monkeypatch.setattr("conceptlab.verify.command._verify", lambda jobs, record, options: None)
    conditions = {"conceptlab": __version__, "torch": torch.__version__, "python": platform.python_version()}
    conditions |= {"device": "cpu", "dtypes": ["float32"], "time_limit": 20.0, "checks": [], "scope": "", "minutes": 1}
    (folder / "other.json").write_text(json.dumps({"conditions": conditions, "reports": []}))
    status, _, err = run("relu --tier handmade --json other.json --resume")
    assert status == 2
    assert "expected a run with dtypes ['float32', 'bfloat16', 'float16'], as this one" in err


def _wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("two minutes have passed")


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_help_needs_no_torch():
    program = "import sys; from conceptlab.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Check concepts, or a layer of your own" in done.stdout
