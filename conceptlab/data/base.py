"""What all the data sets share: three splits, three loaders, and one way to say that a file is missing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.order import Batches, EpochOrder, ResumableLoader

Split = tuple[Callable[[list[int]], Tensor], Tensor]
"""What gives the inputs for a list of indices, (B, …), and the targets of all, (N, …)."""


class Data(L.LightningDataModule):
    """Inputs and their targets, split for training, validation and test.

    A subclass writes `load` and `example`, and `require` where something may be missing.

    Args:
        batch_size: samples of a training batch, on each process.
        eval_batch_size: samples of a batch where nothing is learned; it has no influence on the result.
        epoch_size: how many samples make an epoch, drawn anew for each; None takes all.
        num_workers: processes that prepare batches; 0 prepares them in the main one.
        seed: the run's seed.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        eval_batch_size: int,
        epoch_size: int | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.epoch_size, self.num_workers, self.seed = epoch_size, num_workers, seed
        self.transforms: dict[str, Callable[[Tensor], Tensor]] = {}
        self.splits: dict[str, Split] = {}
        # of targets that are classes, where they have names
        self.class_names: tuple[str, ...] = ()

    def require(self) -> None:
        """See that the data are there and can be used as these settings say.

        Raises:
            Mistake: they are not; the message says what to do.
        """

    def require_fit(self, model: Mapping[str, Any]) -> None:
        """See that a model is made for these data.

        Args:
            model: its configuration.

        Raises:
            Mistake: it is not.
        """

    def load(self) -> Mapping[str, Split]:
        """The three splits, ``train``, ``val`` and ``test``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its data are loaded")

    def example(self) -> tuple[Tensor, Tensor]:
        """A made-up batch of two, for which no file is read."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its batches look like")

    def setup(self, stage: str | None = None) -> None:
        """Load the data, once."""
        if not self.splits:
            self.splits = dict(self.load())

    def train_dataloader(self) -> ResumableLoader:
        """The training batches, from where the trainer is."""
        epoch, start, rank, world = 0, 0, 0, 1
        if self.trainer is not None:
            loop = self.trainer.fit_loop
            epoch, rank, world = self.trainer.current_epoch, self.trainer.global_rank, self.trainer.world_size
            progress: Any = loop.epoch_loop.batch_progress.current
            start = progress.processed if loop.restarting else 0
        order = EpochOrder(
            len(self.splits["train"][1]),
            self.batch_size,
            self.seed,
            epoch_size=self.epoch_size,
            epoch=epoch,
            start=start,
            rank=rank,
            world=world,
        )
        return self._loader("train", order, self.transforms.get("augmentation"))

    def val_dataloader(self) -> ResumableLoader:
        """The validation batches."""
        return self._evaluation("val")

    def test_dataloader(self) -> ResumableLoader:
        """The test batches."""
        return self._evaluation("test")

    def _evaluation(self, split: str) -> ResumableLoader:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        size = len(self.splits[split][1])
        order = EpochOrder(size, self.eval_batch_size, self.seed, shuffle=False, rank=rank, world=world)
        return self._loader(split, order, None)

    def _loader(self, split: str, order: EpochOrder, augmentation: Callable | None) -> ResumableLoader:
        inputs, targets = self.splits[split]
        batches = Batches(inputs, targets, augmentation, self.transforms.get("transform"), self.seed)
        # batch_size=None: the order asks for whole batches, so there is nothing to collate
        return ResumableLoader(
            batches,
            sampler=order,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def missing_file(name: str, folder: Path, remedy: str) -> Mistake:
    """The error for data that are not there."""
    return Mistake(message(f"data={name}", expected=f"its files in {folder}", received="none", remedy=remedy))


def held_out(count: int, size: int) -> tuple[list[int], list[int]]:
    """``size`` indices, split into those to learn from and ``count`` to validate on; the same ones in every run."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()
    return sorted(order[count:]), sorted(order[:count])


def split_of(inputs: Tensor, targets: Tensor, indices: Sequence[int] | None = None) -> Split:
    """A split of samples in memory, inputs (N, …) and targets (N, …)."""
    if indices is not None:
        inputs, targets = inputs[list(indices)], targets[list(indices)]
    return inputs.__getitem__, targets
