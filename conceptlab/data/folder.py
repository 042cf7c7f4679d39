"""A folder of pictures, one subfolder a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.datasets import ImageFolder as Pictures
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.base import Split, held_out, missing_file
from conceptlab.data.images import ImageData


class ImageFolder(ImageData):
    """Pictures of any size, read when they are needed and brought to one size.

    Two layouts are understood: ``root/train/CLASS/…`` and ``root/test/CLASS/…``; or ``root/CLASS/…``, of which a fifth
    is kept for the test. Of the training pictures a tenth is kept for validation.

    Args:
        root: the folder.
    """

    def __init__(
        self,
        *,
        root: str,
        shape: Sequence[int],
        classes: int,
        batch_size: int = 32,
        eval_batch_size: int = 100,
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
        self.root = Path(root)
        size = list(self.shape[1:])
        self.transforms["resize"] = v2.Compose([v2.Resize(min(size), antialias=True), v2.CenterCrop(size)])

    def require(self) -> None:
        """See that the folder is there and holds classes."""
        try:
            found = len(Pictures(self._training()).classes)
        except FileNotFoundError as error:
            remedy = "Say where the pictures are with data.root=FOLDER; it holds a subfolder for each class."
            raise missing_file("image_folder", self.root.absolute(), remedy) from error
        if found != self.classes:
            raise Mistake(
                message("data.classes", expected=str(found), received=str(self.classes), remedy=f"data.classes={found}")
            )

    def load(self) -> dict[str, Split]:
        """The three splits."""
        learn = Pictures(self._training())
        rest = list(range(len(learn)))
        if (self.root / "test").is_dir():
            exam = Pictures(self.root / "test")
            test = self._split(exam, range(len(exam)))
        else:
            rest, kept = held_out(len(learn) // 5, len(learn))
            test = self._split(learn, kept)
        train, val = ([rest[i] for i in part] for part in held_out(max(1, len(rest) // 10), len(rest)))
        return {"train": self._split(learn, train), "val": self._split(learn, val), "test": test}

    def _training(self) -> Path:
        return self.root / "train" if (self.root / "train").is_dir() else self.root

    def _split(self, pictures: Pictures, indices: Sequence[int]) -> Split:
        def read(batch: list[int]) -> Tensor:
            chosen = [pil_to_tensor(pictures[indices[i]][0]) for i in batch]
            return torch.stack([self.transforms["resize"](picture) for picture in chosen])

        return read, torch.tensor([pictures.targets[i] for i in indices])
