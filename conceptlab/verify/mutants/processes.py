"""Tasks in processes that are forked from this one, with a limit on time and memory."""

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import resource
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

ROOM = 4 << 30
"""Bytes that a task may take beyond what this process has."""

TOO_LATE = "the time limit"

_fork = multiprocessing.get_context("fork")


def in_processes(tasks: list[Callable], jobs: int, cpu: float) -> Iterator[tuple[int, Any, float]]:
    """Call each task in a process forked from this one: its number, its answer or what ended it, and its seconds.

    A processor's seconds are limited, so that a busy machine accuses nobody; and a hundred times as many on the clock,
    for what waits without computing.
    """
    waiting = deque(enumerate(tasks))
    running: dict[Connection, tuple[int, Any, float]] = {}
    gc.freeze()  # what the processes share stays shared
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, task = waiting.popleft()
                receiver, process = _started(task, cpu)
                running[receiver] = index, process, time.monotonic()
            wait(list(running), timeout=1.0)
            for receiver, (index, process, began) in list(running.items()):
                seconds = time.monotonic() - began
                is_late = seconds > 100 * cpu
                if is_late or receiver.poll():
                    del running[receiver]
                    yield index, _ended(process) if is_late else _answer(receiver, process), seconds
    finally:
        for _, process, _ in running.values():
            _ended(process)


def _started(task: Callable, cpu: float) -> tuple[Connection, Any]:
    receiver, sender = _fork.Pipe(duplex=False)
    # Python 3.12 warns of threads, of which this process has none
    with warnings.catch_warnings(action="ignore"):
        process = _fork.Process(target=_call, args=(task, sender, cpu), daemon=True)
        process.start()
    sender.close()
    return receiver, process


def _answer(receiver: Connection, process: Any) -> Any:
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        at_the_limit = process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL)
        return TOO_LATE if at_the_limit else f"a crash ({process.exitcode})"
    finally:
        receiver.close()
        process.join()


def _ended(process: Any) -> str:
    process.kill()
    process.join()
    return TOO_LATE


def _call(task: Callable, sender: Connection, cpu: float) -> None:
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + int(cpu) + 1, used + int(cpu) + 2))
    memory = Path("/proc/self/statm")
    if memory.exists():  # on Linux
        taken = int(memory.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter("ignore")
    # vmap has to call an operation sample by sample, or memory has another shape: the result is right, and slow
    for slow in ("There is a performance drop", "An output with one or more elements was resized"):
        warnings.filterwarnings("error", message=slow)
    with contextlib.suppress(BrokenPipeError):
        sender.send(task())
