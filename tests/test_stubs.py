"""The stubs: up to date, and understood by a type checker."""

import subprocess
import sys

import pytest

from conceptlab import stubs


@pytest.mark.parametrize("module", stubs.MODULES)
def test_the_stub_is_what_would_be_written(module):
    committed = stubs.path(module).read_text()
    if not committed.startswith(stubs.HEADER):
        pytest.skip(f"written with another torch: {committed.splitlines()[0]}")
    assert committed == stubs.text(module), "run `python -m conceptlab.stubs`"


@pytest.mark.slow
def test_mypy_knows_the_arguments(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import torch\n"
        "from conceptlab import nn, optim\n"
        "from conceptlab.nn import functional as F, init\n"
        'net = nn.Sequential(nn.Conv2d(1, 8, 3, tier="naive"), nn.ReLU(), nn.Flatten())\n'
        "optim.SGD(net.parameters(), lr=0.1)\n"
        'init.ones_(F.relu(torch.ones(2), tier="naive"))\n'
        "nn.Conv2d(1, 8)\n"
        "nn.Linear(1, 8, tear=1)\n"
        "nn.LSTMs(1, 8)\n"
        'F.relu("a word")\n'
    )
    # with the project's own settings, and so with what `make check` has kept of torch: to read it takes a minute
    command = [sys.executable, "-m", "mypy", str(program)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    wrong_lines = [line.split(":")[1] for line in outcome.stdout.splitlines() if ": error:" in line]
    assert wrong_lines == ["7", "8", "9", "10"], outcome.stdout + outcome.stderr
