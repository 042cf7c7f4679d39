"""Runs on several processes. Lightning starts the others by the command line of the first; here that is always this
module with the run's folder, whoever started the run: the command line, a job of a sweep, a notebook.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


def is_child() -> bool:
    """Whether this process was started by another one of the same run."""
    return int(os.environ.get("LOCAL_RANK", 0)) > 0


@contextmanager
def launched_by(folder: Path, checkpoint: Path | str | None) -> Iterator[None]:
    """What Lightning starts inside the block joins the run in ``folder`` that goes on from ``checkpoint``.

    Afterwards everything is as before, so that the next job of a sweep can start processes of its own.
    """
    if is_child():
        yield
        return
    main = sys.modules["__main__"]
    before = sys.argv, main.__spec__, {name: os.environ.get(name) for name in VARIABLES}
    sys.argv = [sys.argv[0], str(folder), str(checkpoint or "")]
    main.__spec__ = importlib.util.find_spec("conceptlab.tasks.processes")
    try:
        yield
    finally:
        sys.argv, main.__spec__ = before[0], before[1]
        for name, value in before[2].items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _join(folder: str, checkpoint: str) -> None:
    from omegaconf import OmegaConf

    from conceptlab.tasks.run import train

    config: Any = OmegaConf.load(Path(folder) / "config.yaml")
    config.ckpt_path = checkpoint or None
    train(config, folder)


if __name__ == "__main__":
    _join(*sys.argv[1:3])
