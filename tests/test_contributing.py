"""CONTRIBUTING.md, done: its example is written down, checked and broken, exactly as the text says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conceptlab import scaffold

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
FILES = dict(re.findall(r"^`conceptlab/concepts/softshrink/(\w+\.py)`:\n\n```python\n(.*?)^```$", TEXT, re.M | re.S))
MUTANTS = re.findall(r"^\| `(\w+\.py)` \| `(.+)` \| `(.+)` \| `(\w+)` \|$", TEXT, re.M)

PROGRAM = """
import importlib, sys, warnings
from conceptlab.core import registry
from conceptlab.verify import checks, verify
from conceptlab.verify.target import target, tier_of

warnings.simplefilter("ignore", FutureWarning)  # torch's own
registry.add_concept("softshrink", importlib.import_module("softshrink"))
function, cls = registry.parts["softshrink"], registry.parts["Softshrink"]
"""

pytestmark = pytest.mark.slow


def run(folder: Path, program: str) -> str:
    """Run a program that has the concept, as the files in ``folder`` have it."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{PROGRAM}{program}"]
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def written(folder: Path, files: dict[str, str]) -> Path:
    (folder / "softshrink").mkdir(parents=True)
    for name, text in files.items():
        (folder / "softshrink" / name).write_text(text)
    return folder


def ruff(folder: Path, *command: str) -> None:
    """Run it with the settings of the project."""
    subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--config", REPOSITORY / "pyproject.toml", folder], check=True
    )


def test_the_example_is_well_formed_and_right(tmp_path):
    assert set(FILES) == {"__init__.py", "naive.py", "handmade.py", "samples.py"}
    folder = written(tmp_path, FILES)
    ruff(folder, "format", "--check")
    ruff(folder, "check")
    run(
        folder,
        """
import doctest
assert doctest.testmod(registry.package("softshrink")) == (0, 1)
for part in (function, cls):
    for tier in ("naive", "handmade"):
        for check in checks(tier_of(part, tier), like=part.name):
            if not check.for_full_run:
                check()
from conceptlab import nn
nn.Softshrink(tier="naive")
nn.functional.softshrink
""",
    )


def test_every_broken_line_is_caught(tmp_path):
    assert len(MUTANTS) == 4
    broken = []
    for file, line, wrong, check in MUTANTS:
        assert FILES[file].count(line) == 1, (file, line)
        broken.append((f"{file}: {wrong}", FILES[file].replace(line, wrong), check))
    run(
        written(tmp_path, FILES),
        f"""
for what, text, check in {broken!r}:
    module = dict()
    exec(text, module)
    if verify(target(module["softshrink"], "softshrink"), "softshrink", only=[check]).passed:
        raise SystemExit(f"{{check}} did not notice {{what}}")
""",
    )


def test_make_concept_leaves_nothing_but_the_arithmetic(tmp_path):
    folder = written(tmp_path, scaffold.files("softshrink"))
    ruff(folder, "format", "--quiet")
    ruff(folder, "check")
    assert "return self.ops.softshrink(input, self.lambd)" in (folder / "softshrink" / "__init__.py").read_text()
    run(
        folder,
        """
for part, first, second in ((function, "signature", "values"), (cls, "constructed", "behaviour")):
    for tier in ("naive", "handmade"):
        report = verify(tier_of(part, tier), like=part.name, only=[first])
        assert report.passed, report
        report = verify(tier_of(part, tier), like=part.name, only=[second])
        assert "softshrink: its" in str(report.failed[0].failures[0]), report
""",
    )


@pytest.mark.parametrize("name", ["lp_pool2d", "ctc_loss", "rrelu", "bilinear", "pdist"])
def test_make_concept_for_others(name, tmp_path):
    """What torch writes in other ways: with another dtype, other spellings, without a layer, in C++."""
    (tmp_path / name).mkdir()
    for file, text in scaffold.files(name).items():
        (tmp_path / name / file).write_text(text)
    ruff(tmp_path, "format", "--quiet")
    ruff(tmp_path, "check")
    tree = ast.parse((tmp_path / name / "naive.py").read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == [name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("softshrnk", "Did you mean 'softshrink'"),
        ("relu", "expected what is no part yet.*concepts/relu"),
        ("os", "a function"),
    ],
)
def test_make_concept_refuses(name, words):
    with pytest.raises(ValueError, match=words):
        scaffold.files(name)


def test_make_concept_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(scaffold, "CONCEPTS", tmp_path)
    folder = scaffold.write("softshrink")
    assert {path.name for path in folder.iterdir()} == set(FILES)
    (folder / "naive.py").write_text("mine")
    with pytest.raises(FileExistsError):
        scaffold.write("softshrink")
    assert (folder / "naive.py").read_text() == "mine"


def test_every_target_that_it_names_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)\b", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), target
