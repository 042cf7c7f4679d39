"""Data sets that torchvision knows: downloaded only when that is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torchvision
from torch import Tensor

from conceptlab.data.base import Split, held_out, missing_file, split_of
from conceptlab.data.images import ImageData


class TorchvisionData(ImageData):
    """A data set of torchvision that fits into memory, its training images split into training and validation.

    Args:
        root: the folder of the data sets.
        download: whether files that are missing are fetched.
        held_out: how many training images are kept for validation.
    """

    source: ClassVar[type]
    key: ClassVar[str]

    def __init__(
        self,
        *,
        root: str,
        shape: Sequence[int],
        classes: int,
        download: bool = False,
        held_out: int = 5000,
        batch_size: int = 64,
        eval_batch_size: int = 500,
        num_workers: int = 0,
        seed: int = 0,
        augmentation: Sequence[Any] | None = None,
        transform: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            shape=shape,
            classes=classes,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            seed=seed,
            augmentation=augmentation,
            transform=transform,
        )
        self.root, self.download, self.held_out = Path(root), download, held_out

    def require(self) -> None:
        """Fetch the files if that is asked for, and see that they are there."""
        try:
            self.source(self.root, train=True, download=self.download)
        except RuntimeError as error:
            raise missing_file(
                self.key,
                self.root.absolute(),
                "Fetch them with data.download=true, or say where they are with data.root=FOLDER.",
            ) from error

    def load(self) -> dict[str, Split]:
        """The three splits: torchvision's training set without some, those, and its test set."""
        images, labels = _tensors(self.source(self.root, train=True))
        train, val = held_out(self.held_out, len(labels))
        test = _tensors(self.source(self.root, train=False))
        return {
            "train": split_of(images, labels, train),
            "val": split_of(images, labels, val),
            "test": split_of(*test),
        }


class MNIST(TorchvisionData):
    """70 000 handwritten digits of 28×28 pixels: 55 000 to learn from, 5 000 to validate on, 10 000 to test.

    Source: LeCun et al., *Gradient-based learning applied to document recognition*, 1998.
    """

    source, key = torchvision.datasets.MNIST, "mnist"


class FashionMNIST(TorchvisionData):
    """70 000 pictures of clothes of 28×28 pixels, split as MNIST is.

    Source: Xiao et al., *Fashion-MNIST*, 2017.
    """

    source, key = torchvision.datasets.FashionMNIST, "fashion_mnist"


class CIFAR10(TorchvisionData):
    """60 000 colour photographs of 32×32 pixels: 45 000 to learn from, 5 000 to validate on, 10 000 to test.

    Source: Krizhevsky, *Learning multiple layers of features from tiny images*, 2009.
    """

    source, key = torchvision.datasets.CIFAR10, "cifar10"


def _tensors(dataset: Any) -> tuple[Tensor, Tensor]:
    """Images as bytes, (N, C, H, W), and labels."""
    images, labels = torch.as_tensor(dataset.data), torch.as_tensor(dataset.targets)
    images = images.permute(0, 3, 1, 2).contiguous() if images.dim() == 4 else images.unsqueeze(1)
    return images, labels
