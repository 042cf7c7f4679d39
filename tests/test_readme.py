"""The README, done: its Python runs and prints what it shows, its commands can be run, its links lead somewhere."""

import contextlib
import io
import re
import shlex
import sys
import types
from pathlib import Path

import pytest

from conceptlab.cli import COMMANDS
from conceptlab.compare.bisect import settings
from conceptlab.compare.command import variants
from conceptlab.configuration import compose
from conceptlab.core import registry
from conceptlab.verify.command import jobs_of as verified

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", TEXT, re.M | re.S)
SHELL = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", TEXT, re.M)]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]


def without_blocks(text):
    """The prose of a page."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


PROSE = without_blocks(TEXT)


@pytest.fixture(scope="module")
def names():
    """What the blocks have defined, after all of them ran in order; each printed what stands below it."""
    module = sys.modules["mypkg"] = types.ModuleType("mypkg")
    for code, expected in BLOCKS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), vars(module))
        assert printed.getvalue() == expected, f"of\n{code}"
    yield module
    del sys.modules["mypkg"]


@pytest.mark.slow
def test_its_python_runs_and_prints_what_it_shows(names):
    assert len(BLOCKS) == 6
    assert type(names.model.features[0][1]) is names.MyNorm
    assert [layer.tier for layer in names.net[:2]] == ["naive", "handmade"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in SHELL if c[0] == "conceptlab"], ids=" ".join)
def test_its_command_can_be_run(command, names):
    _, name, *arguments = command
    assert name in COMMANDS
    if name == "compare":
        assert len(variants(arguments)) == 2
    elif name == "bisect":
        assert list(settings(arguments)[0]) == ["a", "b"]
        compose(settings(arguments)[1])
    elif name == "train":
        # of a sweep, the first run
        compose([argument.split(",")[0] for argument in arguments if argument != "-m"])
    elif name == "test":
        compose([argument for argument in arguments if not argument.startswith("ckpt_path=")])
    elif name == "verify":
        assert verified(arguments)
    elif arguments:
        assert arguments == ["resnet18"] or arguments[0] in [*registry.concepts, *registry.parts]


def test_no_other_command_is_named():
    assert {command[0] for command in SHELL} == {"make", "conceptlab"}
    assert len(SHELL) == TEXT.count("\n$ ") == 14


def test_its_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = [command[1] for command in SHELL if command[0] == "make"]
    for target in [*targets, *re.findall(r"`make ([a-z-]+)`", PROSE)]:
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", without_blocks(page.read_text())):
        assert (page.parent / link).exists(), link
