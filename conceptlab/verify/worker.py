"""The process that runs a target: whatever the target does to it, the `Supervisor` goes on with another.

Requests and answers are lines of JSON. Before each sample its number and its words are announced.
"""

import functools
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import torch

from conceptlab.core import registry
from conceptlab.core.samples import Sample
from conceptlab.verify import select
from conceptlab.verify.running import result_of
from conceptlab.verify.suite import LONG
from conceptlab.verify.tally import describe
from conceptlab.verify.target import Target, target, tier_of

Plain = dict[str, Any]


def serve(connection: Connection, prints: str, folder: str, threads: int) -> None:
    """Answer requests until there are no more.

    Args:
        connection: where they come from.
        prints: the file for what the target prints.
        folder: the working directory, where the target may lie.
        threads: how many torch may use.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends this process
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    os.chdir(folder)
    sys.path.insert(0, folder)  # as for `python -m`
    _print_to(prints)
    warnings.simplefilter("ignore")  # torch's own, about its own samples
    logging.getLogger("torch").setLevel(logging.ERROR)
    _send(connection, {"ready": True})
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        _send(connection, _described(request) if request["check"] is None else _checked(request, connection))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _print_to(path: str) -> None:
    """Let everything that is printed, by C code, too, be added to a file."""
    with open(path, "a") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a crash loses what is in the buffer


def _send(connection: Connection, answer: Plain) -> None:
    connection.send_bytes(json.dumps(answer, default=str).encode())


def _described(request: Plain) -> Plain:
    try:
        aim = _target(json.dumps(request["target"]))
        chosen, notes = select(aim, request["only"], quick=request["quick"])
    except (ValueError, TypeError) as error:
        return {"refused": str(error)}
    except BaseException as error:  # SystemExit, too: whatever a module does when it is imported
        path = request["target"]["implementation"]
        return {"refused": f"{path}: its import raises {type(error).__name__}: {error}"}
    checks = [{"check": str(c), "says": c.says, "long": c.check in LONG} for c in chosen]
    return {"target": str(aim), "like": aim.part.name, "checks": checks, "notes": notes}


def _checked(request: Plain, connection: Connection) -> Plain:
    def announce(number: int, sample: Sample) -> None:
        _send(connection, {"sample": number, "words": f"{sample.name} {describe(sample)}"})

    aim = _target(json.dumps(request["target"]))
    (check,), _ = select(aim, [request["check"]])
    result = result_of(check.check, aim, quick=request["quick"], skip=request["skip"], announce=announce)
    return {"result": result.as_dict()}


@functools.cache
def _target(words: str) -> Target:
    """The target that a request names: a tier of a part, or an import path."""
    names = json.loads(words)
    if names["implementation"] is None:
        aim = tier_of(registry.parts[names["like"]], names["tier"])
    else:
        aim = target(names["implementation"], names["like"])
    return replace(aim, device=names["device"], dtypes=tuple(getattr(torch, name) for name in names["dtypes"]))
