"""Verifying in other processes, so that a sample that hangs or crashes costs that sample only."""

import json
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from conceptlab.verify.worker import serve

STARTING = 600.0
"""Seconds that a process may take to import torch and its samples."""


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
        lines = [line for line in dict.fromkeys(self._prints.read_text(errors="replace").splitlines()) if line.strip()]
        # the last line of a traceback is the one that tells
        shown = lines if len(lines) <= 4 else [*lines[:2], "…", lines[-1]]
        words = "\n".join(line[:200] for line in shown)
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
