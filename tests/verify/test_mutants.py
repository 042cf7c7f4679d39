"""The mutants: each operator edits as it says, what nobody notices is reported, what hangs or crashes is killed."""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from conceptlab.core import registry
from conceptlab.verify.mutants import Baseline, Reviewed, Verdict, baseline, mutants_of, run, tier_files
from conceptlab.verify.mutants import __main__ as program
from conceptlab.verify.mutants.operators import OPERATORS
from conceptlab.verify.mutants.record import Verdicts
from conceptlab.verify.target import Target

REORDERED = "tuple((None if t is None else t.reshape(-1).flip(0).reshape(t.shape) for t in ctx.saved_tensors))"
EDITS = {
    "arithmetic": [("a + b", "a - b"), ("a / b", "a * b"), ("a // b", "a * b")],
    "term": [("a + b", "a"), ("a + b", "b"), ("a - b", "a"), ("a / n", "a")],
    "operands": [("a - b", "b - a"), ("a @ b", "b @ a")],
    "sign": [("-a", "a"), ("return a + b", "return -(a + b)")],
    "comparison": [("a > b", "a >= b"), ("a > b", "a <= b"), ("a is None", "a is not None"),
                   ("f(a, '<=', 0)", "f(a, '<', 0)")],
    "condition": [
        ("a if flag else b", "a if not flag else b"),
        ("a and b", "a or b"),
        ("a and b", "a"),
        ("a and b", "b"),
    ],
    "constant": [("a + 1", "a + 2"), ("a + 1", "a + 0"), ("a.sum(0, keepdim=True)", "a.sum(0, keepdim=False)"),
                 ("a * 0.5", "a * 0.5005")],
    "axis": [("a.sum(dim)", "a.sum(dim - 1)"), ("a.sum(ctx.axis)", "a.sum(ctx.axis - 1)")],
    "keyword": [("a.sum(0, dtype=b)", "a.sum(0)"), ("a.clamp(min=0)", "a.clamp(max=0)")],
    "function": [("a.amax(0)", "a.amin(0)"), ("torch.gt(a, 0)", "torch.ge(a, 0)"),
                 ("m.bernoulli_(p)", "m.bernoulli_(p).bernoulli_(p)")],
    "call": [("a.detach()", "a"), ("a.square().sum()", "a.square()"), ("wide(a)", "a")],
    "arguments": [("f(a, b)", "f(b, a)"), ("a, b = pair", "b, a = pair")],
    "statement": [("a += b", "pass"), ("a.mul_(b)", "pass"), ("raise ValueError", "pass")],
    "detach": [("c = a * b", "c = (a * b).detach()"), ("return f(a)", "return f(a).detach()")],
    "saved": [
        ("x, y = ctx.saved_tensors", f"x, y = {REORDERED}")
    ],
    "gradient": [("return (a, None, b)", "return (None, None, b)"), ("return (a, None, b)", "return (a, None, None)")],
}  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_an_operator_makes_the_edits_that_it_says(operator):
    body = "class Rule:\n\n    def backward(ctx, g):\n        {}".format
    for before, after in EDITS[operator.__name__]:
        made = [m.tree() for m in mutants_of(body(before), "f.py") if m.operator == operator.__name__]
        assert body(after) in [ast.unparse(tree) for tree in made]


def keys(source: str, speed: tuple[str, ...] = ()) -> list[str]:
    return [mutant.key for mutant in mutants_of(source, "f.py", speed)]


def test_texts_annotations_and_memory_are_left_alone():
    source = '''
"""A page about 1 > 0."""
from a import b
__all__ = ["f"]

def f(x: Literal[1, "<"]) -> Literal[2]:
    """Of 3 < 4."""
    if x:
        raise ValueError(message("at 1", expected=f"{x + 1}", received="2", remedy="-3"))
    warnings.warn(f"{-x}", stacklevel=4)
    return torch.mul(x, y, out=room)
'''
    operators = {key.split(" ", 2)[1] for key in keys(source)}
    assert operators == {"condition", "statement", "sign", "detach", "function"}


def test_what_chooses_a_speed_is_left_alone():
    source = "def f(x):\n    return x * 2 if is_recorded() else x.mul_(2)"
    assert any("not is_recorded()" in key for key in keys(source))
    left = keys(source, ("x * 2 if is_recorded() else x.mul_(2)",))
    assert all("return" in key.split("->")[0] for key in left)


def test_equal_edits_are_numbered_and_names_stay_when_lines_are_added():
    source = "def f(x):\n    return (x > 0) + (x > 0)"
    assert "f comparison x > 0 -> x >= 0" in keys(source)
    assert "f comparison x > 0 -> x >= 0 (2)" in keys(source)
    assert keys("import a\n\n\n" + source) == keys(source)


def test_nothing_is_detached_where_there_is_no_graph():
    source = (
        "class A(Rule):\n    def forward(x):\n        return x * 2\n    def backward(ctx, g):\n        return g * 2"
    )
    found = [key for key in keys(source) if " detach " in key]
    assert found == ["A.backward detach return g * 2 -> return (g * 2).detach()"]


def test_what_only_asserts_is_left_alone():
    assert not any(
        "strict=False" in key or key.endswith("zip(a, b)")
        for key in keys("def f(a, b):\n    return zip(a, b, strict=True)")
    )


def test_factors_are_not_exchanged():
    found = [key for key in keys("def f(a, b, c):\n    return torch.addcmul(a, b, c)") if " arguments " in key]
    assert found == ["f arguments torch.addcmul(a, b, c) -> torch.addcmul(b, a, c)"]


def test_what_runs_within_a_rule_alone_has_nothing_to_detach():
    source = "def f(x):\n    return g(x) * 2\n\ndef g(x):\n    return x * 2\n\ndef h(x):\n    return x * 2"
    known = Baseline(reaches={"relu values": frozenset({"f", "g"})}, recorded={"f"})
    left_out = [mutant.key for mutant in mutants_of(source, "f.py") if not known.concerns(mutant)]
    assert left_out == ["g detach return x * 2 -> return (x * 2).detach()"]


def test_a_default_is_for_the_signature_to_notice():
    known = Baseline({"elu layouts": 1, "elu values": 2, "selu values": 1}, reaches={"elu values": {"elu"}})
    rest = Baseline({"elu compiled": 5, "elu signature": 1, "selu signature": 1})
    (mutant,) = (m for m in mutants_of("def elu(x, alpha=1.0): pass", "f.py") if m.operator == "constant")
    assert known.order(mutant) == ["elu values"]
    assert rest.order(mutant, known.reaches) == ["elu signature", "elu compiled"]
    assert rest.order(mutant, {"celu values": {"celu"}}) == ["elu signature", "selu signature", "elu compiled"]


def test_a_mutant_leaves_the_original_as_it_was():
    source = "def f(x):\n    return x > 0"
    first, *others = mutants_of(source, "f.py")
    assert ast.unparse(first.tree()) == source.replace(">", ">=")
    assert all(source.splitlines()[0] in ast.unparse(mutant.tree()) for mutant in others)
    assert ast.unparse(first.tree()) == source.replace(">", ">=")


TOY = """
import os
import torch
from torch.nn.functional import threshold

CHOSEN = [0][0]

def relu(input, inplace=False):
    spare = 1 + 0
    tiny = 1e-11 if input.is_floating_point() else 0
    one = 1 if torch.compiler.is_compiling() else 1
    output = threshold(input.clone() if inplace else input, CHOSEN, 0) * (one + tiny)
    return input.copy_(output) if inplace else output

def wait(rounds):
    while rounds > 0:
        rounds -= 1
    if rounds == 1:
        os.abort()

wait(2)
"""
WRONG = "relu term one + tiny -> tiny"
SAME = "relu arithmetic 1 + 0 -> 1 - 0"
UNNOTICED = "relu term one + tiny -> one"
COMPILED = "relu constant 1 if torch.compiler.is_compiling() else 1 -> 2 if torch.compiler.is_compiling() else 1"
HANGS = "wait statement rounds -= 1 -> pass"
CRASHES = "wait comparison rounds == 1 -> rounds != 1"
BROKEN = "constant [0][0] -> [0][1]"


@dataclass
class Toy:
    """A file of one function, which stands for relu."""

    path: Path
    name: str = "toy.py"

    def load(self, tree):
        module = sys.modules["toy"] = ModuleType("toy")  # where torch 2.11's compiler looks for it
        exec(compile(tree, str(self.path), "exec"), vars(module))
        return [Target(registry.parts["relu"], module.relu)]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    toy = Toy(tmp_path_factory.mktemp("toy") / "toy.py")
    toy.path.write_text(TOY)
    by_key = {mutant.key: mutant for mutant in mutants_of(TOY, toy.name)}
    known = baseline(toy)
    assert known.reaches["relu values"] == {"relu"}
    ended = run(toy, [by_key[HANGS], by_key[CRASHES]], known, limit=1)
    judged = run(
        toy, [by_key[key] for key in (WRONG, UNNOTICED, SAME, BROKEN, COMPILED)], known, [WRONG, SAME, UNNOTICED]
    )
    return {verdict.mutant.key: verdict for verdict in (*ended, *judged)}


@pytest.mark.slow
def test_what_is_noticed_is_killed_by_a_check_that_is_named(verdicts):
    # that somebody said it were equivalent does not help it
    assert verdicts[WRONG].status == "killed"
    assert verdicts[WRONG].by.startswith("relu ")


@pytest.mark.slow
def test_what_all_that_are_heard_let_pass_is_for_the_others(verdicts):
    assert verdicts[COMPILED].status == "killed"
    assert verdicts[COMPILED].by in ("relu compiled", "relu inductor")


@pytest.mark.slow
def test_what_fails_without_a_mutant_is_to_be_mended_first(tmp_path):
    toy = Toy(tmp_path / "toy.py")
    toy.path.write_text(TOY.replace("(one + tiny)", "-1"))
    with pytest.raises(SystemExit, match=r"toy\.py: expected a file that passes all checks") as refused:
        baseline(toy)
    assert "relu values: " in str(refused.value)


@pytest.mark.slow
def test_what_nobody_notices_survives_unless_it_is_listed_and_identical(verdicts):
    assert verdicts[SAME].status == "equivalent"
    assert (verdicts[UNNOTICED].status, verdicts[UNNOTICED].by) == ("survived", "said to be equivalent: differs")


@pytest.mark.slow
def test_what_hangs_or_crashes_is_killed(verdicts):
    assert (verdicts[HANGS].status, verdicts[HANGS].by) == ("killed", "the time limit")
    assert (verdicts[CRASHES].status, verdicts[CRASHES].by) == ("killed", "a crash (-6)")


@pytest.mark.slow
def test_what_cannot_be_imported_is_not_counted(verdicts):
    assert verdicts[BROKEN].status == "not viable"


def test_an_entry_about_nothing_is_an_error(tmp_path):
    listed = tmp_path / "equivalent.toml"
    listed.write_text('[equivalent."f.py"]\n"f sign -x -> x" = "why"\n[speed."f.py"]\n"g()" = "why"\n')
    reviewed = Reviewed.read(listed)
    reviewed.check("f.py", "def f(x):\n    return -x + g()", mutants_of("def f(x):\n    return -x + g()", "f.py"))
    with pytest.raises(ValueError, match=r"received f sign -x -> x; g\(\)"):
        reviewed.check("f.py", "def f(x):\n    return x", mutants_of("def f(x):\n    return x", "f.py"))
    with pytest.raises(ValueError, match=r"received f\.py"):
        reviewed.check_files(["g.py"])


@pytest.mark.slow
def test_all_that_is_listed_is_there():
    reviewed = Reviewed.read()
    files = tier_files([])
    reviewed.check_files(file.name for file in files)
    for file in files:
        source = file.path.read_text()
        reviewed.check(file.name, source, mutants_of(source, file.name, reviewed.speed_of(file.name)))


def test_what_was_found_outlives_an_interruption(tmp_path, monkeypatch, capsys):
    """Each verdict is in the file at once, and the next run goes on from it; what survived is run again."""

    def judged(mutants, *_):
        asked.extend(mutants)
        for mutant, status in zip(mutants, ("killed", "survived"), strict=False):
            yield Verdict(mutant, status, "relu-handmade values", 0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "_judged", judged)
    path, calls = tmp_path / "f.json", []
    for options in ([], ["--resume"]):
        asked = []
        assert program.main(["linear", "--json", str(path), *options]) == 130
        calls.append(asked)
    (killed, survived, *_), again = calls
    assert killed not in again
    assert survived in again
    assert json.loads(path.read_text())[0]["key"] == killed.key
    assert "--resume goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "what"), [(None, "file that can be read"), ("[1]", "that --json wrote"), ("{", "that --json wrote")]
)
def test_a_file_that_is_none_is_named(content, what, tmp_path):
    path = tmp_path / "f.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match=rf"--resume: expected (?s:.)*{what}"):
        Verdicts(path).resume([])
    with pytest.raises(SystemExit, match="--json FILE"):
        Verdicts(None).resume([])


COVERED = ("linear", "softmax")
"""The concepts whose files have no survivor."""


@pytest.mark.slow
def test_a_sample_is_killed(tmp_path):
    command = [sys.executable, "-m", "conceptlab.verify.mutants", *COVERED, "--sample", "50", "--json"]
    finished = subprocess.run([*command, tmp_path / "f.json"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = json.loads((tmp_path / "f.json").read_text())
    assert len(found) == 50
    assert {one["status"] for one in found} <= {"killed", "equivalent", "not viable"}
