"""CONTRIBUTING.md, done: its example is written down, checked and broken, exactly as the text says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_example_is_well_formed_and_right(tmp_path):
    assert set(FILES) == {"__init__.py", "naive.py", "handmade.py", "samples.py"}
    folder = written(tmp_path, FILES)
    for command in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", REPOSITORY / "pyproject.toml"]
        subprocess.run([*ruff, folder], check=True)
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


def test_every_target_that_it_names_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)\b", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), target
