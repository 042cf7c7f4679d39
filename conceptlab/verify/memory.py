"""What a call needs of memory: the most at one time, and what it keeps for its backward pass."""

import gc
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


def peak_bytes(call: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """The most memory that tensors hold at one time during ``call``, beyond what they held before it."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with _Meter() as meter:
        call()
    return meter.peak


class _Results(TorchDispatchMode):
    """Keeps in mind the storages of all results."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[StorageWeakRef, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.live |= {_key(t): t.untyped_storage().nbytes() for t in tree_flatten(result)[0] if isinstance(t, Tensor)}
        return result

    def now(self) -> int:
        """The bytes of those that still live."""
        self.live = {key: size for key, size in self.live.items() if not key.expired()}
        return sum(self.live.values())


class _Meter(_Results):
    """Adds up what is new and lives between operations. What one operation uses for itself does not show."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = {_key(t) for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)} - self.live.keys()
        result = super().__torch_dispatch__(func, types, args, kwargs)
        for key in given & self.live.keys():  # it was there before: what is written to in place is a result, too
            del self.live[key]
        self.peak = max(self.peak, self.now())
        return result


def _key(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())


def growth(call: Callable[[], object], times: int = 200) -> int:
    """By how many bytes more memory is held after ``times`` calls than after the first few."""
    with _Results() as meter:
        for _ in range(5):
            call()
        before = meter.now()
        for _ in range(times - 5):
            call()
        if meter.now() > before:
            gc.collect()  # a cycle is no leak
            time.sleep(0.1)  # nor what a thread of autograd's, which CUDA has, is about to let go
        return meter.now() - before


def saved_bytes(forward: Callable[[], object]) -> int:
    """The size of all that ``forward`` keeps for its backward pass, each storage counted once."""
    storages: dict[int, int] = {}
    kept = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        kept.append(tensor)  # so that no other tensor takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()
    del result
    return sum(storages.values())
