"""What the data sets of images share: a shape, classes, and transforms."""

from collections.abc import Mapping, Sequence
from typing import Any

import hydra
import torch
from torch import Tensor
from torchvision.transforms import v2

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.base import Data


class ImageData(Data):
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
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers, seed=seed)
        self.shape, self.classes = tuple(shape), classes
        self.transforms["transform"] = _composed(transform or [])
        if augmentation:
            self.transforms["augmentation"] = _composed(augmentation)

    def setup(self, stage: str | None = None) -> None:
        """Load the data, once, and see that they are as the model was told."""
        if not self.splits:
            super().setup(stage)
            self._check()

    def example(self) -> tuple[Tensor, Tensor]:
        """Two images of noise."""
        return torch.randn(2, *self.shape), torch.zeros(2, dtype=torch.int64)

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


def _composed(transforms: Sequence[Any]) -> v2.Compose:
    built = [hydra.utils.instantiate(t, _convert_="all") if isinstance(t, Mapping) else t for t in transforms]
    return v2.Compose(built or [v2.Identity()])
