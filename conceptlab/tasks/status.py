"""``status.json``: what has become of a run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.core.utils import JobStatus as HydraStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from conceptlab.core.files import write_json


class Status:
    """The state of a run, in its folder, from the start to the end.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "status.json"
        self.start = _now()
        self.set("running")

    def set(self, state: str, error: BaseException | None = None) -> None:
        """Write the state: running, finished, failed or interrupted."""
        end = None if state == "running" else _now()
        write_json(self.path, {"state": state, "error": _words(error), "start": self.start, "end": end})


class JobStatus(Callback):
    """Hydra's view: a job that failed before the run had a folder of its own says so too.

    Hydra reports only the first failed job of a sweep.
    """

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Write ``status.json`` where the job has failed without one."""
        folder = Path(config.hydra.runtime.output_dir)
        if job_return.status is HydraStatus.FAILED and not (folder / "status.json").exists():
            Status(folder).set("failed", job_return._return_value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _words(error: BaseException | None) -> str | None:
    return None if error is None else str(error) or type(error).__name__
