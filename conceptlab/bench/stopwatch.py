"""Timing that a busy machine does not spoil: the clock of the thread, and the rivals taking turns."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch

ROUNDS = 11
SHORTEST = 0.002
"""Seconds that one reading lasts at least, by repeating a short call: the clock's grain has to be far below."""


BLOCK = 31 * 2**20
"""Bytes, with the allocator's own beside them less than 32 MB, the largest block from which glibc learns."""


def interleaved(calls: Sequence[Callable[[], object]], *, rounds: int = ROUNDS, device: str = "cpu") -> list[float]:
    """The median duration of each call in seconds, measured in turns."""
    return [statistics.median(row) for row in zip(*islice(turns(calls, device=device), rounds), strict=True)]


def turns(
    calls: Sequence[Callable[[], object]], *, shortest: float = SHORTEST, device: torch.device | str = "cpu"
) -> Iterator[list[float]]:
    """The durations of the calls in seconds, measured in turns, A B A B …, a round at a time and without end.

    On a CPU they are those of `clock`, on CUDA they are measured by events. ``shortest`` is how long a reading lasts at
    least; 0 makes each a single call.
    """
    read = _cuda if torch.device(device).type == "cuda" else _cpu
    _keep_freed_memory()
    repeats = [max(1, round(shortest / max(read(call, 1), 1e-7))) for call in calls]  # this warms up, too
    while True:
        yield [read(call, repeat) for call, repeat in zip(calls, repeats, strict=True)]


def clock(device: torch.device) -> float:
    """Seconds of this thread's own time, which other processes cannot lengthen; on a GPU, of the wall.

    With more than one thread it is the process's: the time of the thread alone would hide what the others do.
    """
    if device.type == "cpu":
        return time.thread_time() if torch.get_num_threads() == 1 else time.process_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


def _keep_freed_memory() -> None:
    """Let the allocator keep what is freed, as it does in a process that has been training for a while.

    glibc gives large blocks back to the system at once, to fetch them anew, page by page, at the next call. In a fresh
    process that took two thirds of the time of a batch normalization of 4 MB, none in a longer-lived one. The limit
    adapts itself: it rises to the size of the largest block that was freed, up to 32 MB; so one such is freed.
    """
    torch.empty(BLOCK, dtype=torch.uint8)


def _cpu(call: Callable[[], object], repeat: int) -> float:
    cpu = torch.device("cpu")
    start = clock(cpu)
    for _ in range(repeat):
        call()
    return (clock(cpu) - start) / repeat


def _cuda(call: Callable[[], object], repeat: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(repeat):
        call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000 / repeat
