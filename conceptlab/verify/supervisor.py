"""Verifying in other processes, so that a sample that hangs or crashes costs that sample only."""

import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from unittest import mock

import torch

from conceptlab.verify.report import Report, Result
from conceptlab.verify.worker import serve

STARTING = 600.0
"""Seconds that a process may take to import torch and its samples."""

MANY_LOST = 3
"""After so many samples that hang or crash, a check is given up; once one was, each other one at its first."""


@dataclass(frozen=True)
class Job:
    """A target by names.

    Attributes:
        like: torch's name.
        tier: the tier that is verified,
        implementation: or an import path ``module:object``.
        device: where the samples lie.
        dtypes: those in which rounding errors are measured.
    """

    like: str
    tier: str | None = None
    implementation: str | None = None
    device: str = "cpu"
    dtypes: tuple[str, ...] = ("float32", "bfloat16", "float16")

    def __str__(self) -> str:
        return self.implementation or f"{self.like}-{self.tier}"


class Lost(Exception):  # noqa: N818  (what happened)
    """The process hung or died.

    Attributes:
        number: of the sample that it was at, if it had begun with one.
        what: whether it hung, or how it died.
    """

    def __init__(self, number: int | None, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.number, self.what = number, what


class Supervisor:
    """One process at a time, started when it is needed, and again after it was lost.

    Args:
        time_limit: seconds that a sample may take.
        prints: a file for what the target prints.
    """

    def __init__(self, time_limit: float, prints: Path) -> None:
        self.time_limit = time_limit
        self._prints = prints
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._closed = self._busy = False

    def ask(self, limit: float, **request: Any) -> dict[str, Any]:
        """The answer to one request.

        Args:
            limit: seconds that may pass until the first sample, and from one sample to the next.
            **request: what the worker takes.

        Raises:
            Lost: they did pass, or the process died.
        """
        number, where = None, "before the first sample"
        self._busy = True
        try:
            connection = self._connected()
            self._prints.write_text("")
            connection.send_bytes(json.dumps(request).encode())
            while "sample" in (answer := _received(connection, limit)):
                number, where = answer["sample"], answer["words"]
        except TimeoutError:
            what = f"hangs: more than {limit:g} s"
        except (EOFError, OSError):
            what = self._ended()
        else:
            return answer
        finally:
            self._busy = False
        self._stop()
        raise Lost(number, where, what)

    def printed(self) -> tuple[str, ...]:
        """What the target printed since the last request, in short."""
        lines = list(dict.fromkeys(self._prints.read_text(errors="replace").splitlines()))
        words = "\n".join(lines[:3])[:300] + ("\n…" if len(lines) > 3 else "")
        return (f"prints: {words}",) if words.strip() else ()

    def close(self) -> None:
        """End the process, also in the middle of a sample; no other is started."""
        self._closed = True
        if self._process is not None and self._busy:
            self._process.kill()
        elif self._connection is not None and self._process is not None:
            self._connection.close()  # a process that may leave by itself tidies up
            self._process.join(5)
            self._stop()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection, theirs = multiprocessing.Pipe()
            self._process = _process(serve, theirs, str(self._prints), str(Path.cwd()), torch.get_num_threads())
            self._process.start()
            theirs.close()  # or the end of the process would not be seen
            if not self._closed:
                _received(self._connection, STARTING)
        if self._closed:
            self._stop()
            raise RuntimeError("closed")
        return self._connection

    def _ended(self) -> str:
        if self._process is None:
            return "did not start"
        self._process.join(5)
        code = self._process.exitcode or 0
        return f"crashed: signal {-code}" if code < 0 else f"ended the interpreter: exit status {code}"

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


def _process(function: Callable, *args: Any) -> BaseProcess:
    """A process that has not started. Where it can, it comes from a server that has imported all that it needs.

    The server has run nothing on several threads, so that a fork of it, which takes no time, has no half of a thread.
    But it may have asked whether there is CUDA, and CUDA does not survive a fork.
    """
    if "forkserver" in multiprocessing.get_all_start_methods() and not torch.cuda.is_available():
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload([serve.__module__])
        # what is imported computes, and a pool of threads, once started, leaves a fork waiting for it for ever
        with mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):
            forkserver.ensure_running()
        return server.Process(target=function, args=args)
    return multiprocessing.get_context("spawn").Process(target=function, args=args)


def _received(connection: Connection, limit: float) -> dict[str, Any]:
    if not connection.poll(limit):
        raise TimeoutError
    return json.loads(connection.recv_bytes())


Progress = Callable[[str, str, float], None]
"""Told of target, check, and which share of the target that check is."""


def verify_job(
    supervisor: Supervisor, job: Job, *, only: Sequence[str] = (), quick: bool = False, progress: Progress | None = None
) -> Report:
    """All checks of one target.

    Raises:
        ValueError: it cannot be verified at all.
    """
    limit = supervisor.time_limit
    request = {"target": asdict(job), "only": list(only), "quick": quick}
    try:
        described = supervisor.ask(limit, check=None, **request)
    except Lost as loss:
        raise ValueError(f"{job}: its import {loss.what}") from loss
    if "refused" in described:
        raise ValueError(" ".join(described["refused"].split()))
    results: list[Result] = []
    patience = MANY_LOST
    for check in described["checks"]:
        if progress is not None:
            progress(described["target"], check["check"], 1 / len(described["checks"]))
        result, lost = _run_check(supervisor, check, patience, request)
        results.append(result)
        patience = 1 if lost >= patience else patience
    return Report(described["target"], described["like"], tuple(results), tuple(described["notes"]))


def _run_check(supervisor: Supervisor, check: dict, patience: int, request: dict) -> tuple[Result, int]:
    """Run a check, and again without the samples that hung or crashed; also how many those were."""
    limit = supervisor.time_limit * (10 if check["slow"] else 1)
    lost: list[Lost] = []
    notes: tuple[str, ...] = ()
    result = None
    while result is None:
        try:
            skip = [loss.number for loss in lost]
            answer = supervisor.ask(limit, **{**request, "check": check["check"], "skip": skip})
            result = Result.from_dict(answer["result"])
        except Lost as loss:
            lost.append(loss)
            if loss.number is None or len(lost) == patience:
                result = Result(check["check"], check["says"], notes=("given up: its other samples did not run",))
        notes += supervisor.printed()
    failures = (*map(str, lost), *result.failures)
    return replace(result, failed=result.failed + len(lost), failures=failures, notes=result.notes + notes), len(lost)


def verify_jobs(
    jobs: Sequence[Job],
    workers: int,
    time_limit: float,
    verify_one: Callable[[Supervisor, Job], Report],
    finished: Callable[[Job, Report], None],
) -> None:
    """Verify many targets, and tell of each when it is finished; ends all processes, also when it is interrupted."""
    with tempfile.TemporaryDirectory(prefix="conceptlab-") as folder:
        supervisors = [Supervisor(time_limit, Path(folder, f"{n}.txt")) for n in range(workers)]
        idle: SimpleQueue[Supervisor] = SimpleQueue()
        for supervisor in supervisors:
            idle.put(supervisor)

        def one(job: Job) -> Report:
            supervisor = idle.get()
            try:
                return verify_one(supervisor, job)
            finally:
                idle.put(supervisor)

        with ThreadPoolExecutor(workers) as pool:
            try:
                futures = {pool.submit(one, job): job for job in jobs}
                for future in as_completed(futures):
                    finished(futures[future], future.result())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for supervisor in supervisors:
                    supervisor.close()
