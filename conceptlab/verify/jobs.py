"""Many targets, in other processes: which they are, and what became of each."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from conceptlab.verify.report import Report, Result
from conceptlab.verify.supervisor import Lost, Supervisor

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
    limit = supervisor.time_limit * (10 if check["long"] else 1)
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
