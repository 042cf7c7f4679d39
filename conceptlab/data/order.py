"""Which samples come when, and with what random numbers: a pure function, so that a run can be taken up anywhere.

The order of an epoch depends on (seed, epoch), the augmentation of a sample on (seed, epoch, index). Neither depends on
what was drawn before, on the number of workers, or on which implementation the parts have.
"""

from collections.abc import Callable, Iterator

import numpy
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Key = tuple[int, list[int]]
"""What is asked of a data set: the epoch, and the indices of one batch."""


def derived_seed(*numbers: int) -> int:
    """A seed that is as good as drawn anew for each tuple of numbers.

    >>> derived_seed(1, 2) != derived_seed(2, 1)
    True
    """
    return int(numpy.random.SeedSequence(numbers).generate_state(1, numpy.uint64)[0])


def seed_all(seed: int, device: torch.device | None = None) -> None:
    """Start the CPU's random numbers, and those of ``device``, anew.

    ``torch.manual_seed`` does this for every kind of device that there is, and takes 2 ms of formatting call stacks for
    those that are not in use: too long for each image of each batch.
    """
    torch.default_generator.manual_seed(seed)
    if device is not None and device.type == "cuda":
        torch.cuda.manual_seed(seed)


class EpochOrder(Sampler[Key]):
    """The batches of one epoch after another, each shuffled by (seed, epoch).

    Args:
        size: how many samples there are.
        batch_size: how many of them a batch has, on each process; the last one of an epoch may have fewer.
        seed: the run's seed.
        shuffle: whether an epoch has an order of its own; else it is that of the data.
        epoch_size: how many samples an epoch has where it is shuffled, drawn anew for each; None takes all.
        epoch: the epoch that comes first.
        start: how many of its batches are done already.
        rank: which process this is.
        world: how many there are; each has the same number of samples, so the last few of an epoch may be left out.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        *,
        shuffle: bool = True,
        epoch_size: int | None = None,
        epoch: int = 0,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        taken = size if epoch_size is None else min(size, epoch_size)
        self.samples = taken // world * world if shuffle else size
        self.size, self.batch_size, self.seed, self.shuffle = size, batch_size, seed, shuffle
        self.epoch, self.start = epoch, start
        self.rank, self.world = rank, world

    def set_epoch(self, epoch: int) -> None:
        """Go on with this epoch; Lightning calls it."""
        self.epoch = epoch

    def indices(self) -> list[int]:
        """The samples of this process in the order of this epoch."""
        order = torch.arange(self.size)
        if self.shuffle:
            generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
            order = torch.randperm(self.size, generator=generator)
        return order[: self.samples][self.rank :: self.world].tolist()

    def __iter__(self) -> Iterator[Key]:
        indices, start = self.indices(), self.start
        self.start = 0
        if not self.shuffle:
            # as many batches on each process, or they would wait for one another
            yield from ((self.epoch, part.tolist()) for part in torch.tensor(indices).tensor_split(len(self)))
            return
        for first in range(start * self.batch_size, len(indices), self.batch_size):
            yield self.epoch, indices[first : first + self.batch_size]

    def __len__(self) -> int:
        return -(-len(range(0, self.samples, self.world)) // self.batch_size)


class Batches(Dataset):
    """The batches that an `EpochOrder` asks for.

    Args:
        inputs: gives the input for an index, or a batch of them, (B, …), for a list of indices.
        targets: the target of each, (N, …); of images their class, (N).
        augmentation: a random transform, applied to each input with random numbers of its own; None for none.
        transform: a fixed transform, applied to the whole batch; None for none.
        seed: the run's seed.
    """

    def __init__(
        self,
        inputs: Callable[[list[int]], Tensor],
        targets: Tensor,
        augmentation: Callable[[Tensor], Tensor] | None,
        transform: Callable[[Tensor], Tensor] | None,
        seed: int,
    ) -> None:
        self.inputs, self.targets = inputs, targets
        self.augmentation, self.transform = augmentation, transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        epoch, indices = key
        inputs = self.inputs(indices)
        if self.augmentation is not None:
            # the caller's own random numbers go on as if nothing had been drawn here
            with torch.random.fork_rng(devices=[]):
                inputs = torch.stack([self._augmented(x, epoch, i) for x, i in zip(inputs, indices, strict=True)])
        return inputs if self.transform is None else self.transform(inputs), self.targets[indices]

    def _augmented(self, x: Tensor, epoch: int, index: int) -> Tensor:
        seed_all(derived_seed(self.seed, epoch, index))
        return self.augmentation(x)  # type: ignore[misc]


class ResumableLoader(DataLoader):
    """A loader that can be taken up in mid-epoch: its `EpochOrder` was told where.

    Lightning asks for these two methods before it trusts a loader with that.
    """

    def state_dict(self) -> dict:
        """Nothing: the position follows from the loop's."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing to be done."""
