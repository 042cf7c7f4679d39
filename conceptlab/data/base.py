"""What all the data sets share: three loaders, the transforms, and one way to say that a file is missing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import lightning.pytorch as L
import torch
from torch import Tensor
from torchvision.transforms import v2

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.order import Batches, EpochOrder, ResumableLoader

Split = tuple[Callable[[list[int]], Tensor], Tensor]
"""What gives the images for a list of indices, (B, C, H, W), and the labels of all, (N)."""


class ImageData(L.LightningDataModule):
    """Images and their classes, split for training, validation and test.

    A subclass writes `load`, and `require` where files are needed.

    Args:
        shape: channels, height and width of an image, which the model is built for.
        classes: the number of classes.
        batch_size: images of a training batch, on each process.
        eval_batch_size: images of a batch where nothing is learned; it has no influence on the result.
        num_workers: processes that prepare batches; 0 prepares them in the main one.
        seed: the run's seed.
        augmentation: random transforms for training, applied to one image after the other.
        transform: fixed transforms for every use, applied to whole batches.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        classes: int,
        batch_size: int = 64,
        eval_batch_size: int = 500,
        num_workers: int = 0,
        seed: int = 0,
        augmentation: Sequence[Any] | None = None,
        transform: Sequence[Any] | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        self.batch_size, self.eval_batch_size, self.num_workers, self.seed = (
            batch_size,
            eval_batch_size,
            num_workers,
            seed,
        )
        self.transforms: dict[str, Callable[[Tensor], Tensor]] = {"transform": _composed(transform or [])}
        if augmentation:
            self.transforms["augmentation"] = _composed(augmentation)
        self.splits: dict[str, Split] = {}

    def require(self) -> None:
        """See that the files are there.

        Raises:
            Mistake: they are not; the message says how to get them.
        """

    def load(self) -> Mapping[str, Split]:
        """The three splits, ``train``, ``val`` and ``test``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its data are loaded")

    def setup(self, stage: str | None = None) -> None:
        """Load the data, once."""
        if not self.splits:
            self.splits = dict(self.load())
            self._check()

    def train_dataloader(self) -> ResumableLoader:
        """The training batches, from where the trainer is."""
        epoch, start, rank, world = 0, 0, 0, 1
        if self.trainer is not None:
            loop = self.trainer.fit_loop
            epoch, rank, world = self.trainer.current_epoch, self.trainer.global_rank, self.trainer.world_size
            progress: Any = loop.epoch_loop.batch_progress.current
            start = progress.processed if loop.restarting else 0
        order = EpochOrder(
            len(self.splits["train"][1]), self.batch_size, self.seed, epoch=epoch, start=start, rank=rank, world=world
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
        images, labels = self.splits[split]
        batches = Batches(images, labels, augmentation, self.transforms["transform"], self.seed)
        # batch_size=None: the order asks for whole batches, so there is nothing to collate
        return ResumableLoader(
            batches,
            sampler=order,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _check(self) -> None:
        images, labels = self.splits["train"]
        shape = tuple(images([0])[0].shape)
        classes = int(labels.max()) + 1
        if shape != self.shape or classes > self.classes:
            raise Mistake(
                message(
                    "data",
                    expected=f"images of shape {list(self.shape)} in {self.classes} classes",
                    received=f"shape {list(shape)}, {classes} classes",
                    remedy=f"Set data.shape={list(shape)} data.classes={classes}.".replace(", ", ","),
                )
            )


def missing_file(name: str, folder: Path, remedy: str) -> Mistake:
    """The error for data that are not there."""
    return Mistake(message(f"data={name}", expected=f"its files in {folder}", received="none", remedy=remedy))


def held_out(count: int, size: int) -> tuple[list[int], list[int]]:
    """``size`` indices, split into those to learn from and ``count`` to validate on; the same ones in every run."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()
    return sorted(order[count:]), sorted(order[:count])


def split_of(images: Tensor, labels: Tensor, indices: Sequence[int] | None = None) -> Split:
    """A split of images in memory, (N, C, H, W)."""
    if indices is not None:
        images, labels = images[list(indices)], labels[list(indices)]
    return images.__getitem__, labels


def _composed(transforms: Sequence[Any]) -> v2.Compose:
    built = [hydra.utils.instantiate(t, _convert_="all") if isinstance(t, Mapping) else t for t in transforms]
    return v2.Compose(built or [v2.Identity()])
