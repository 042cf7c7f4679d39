"""A command line inside this process: importing torch and Lightning anew for each test takes eight seconds."""

from collections.abc import Callable

import pytest

from conceptlab import cli

QUICK = (
    "experiment=digits_softmax",
    "trainer.max_epochs=3",
    "trainer.limit_train_batches=6",
    "trainer.enable_progress_bar=false",
    "logger=none",
)
"""A run of eighteen steps."""


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def conceptlab(in_folder, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command; returns the exit code, the output and the errors."""

    def run(*argv: str) -> tuple[int, str, str]:
        code = cli.main(argv)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
