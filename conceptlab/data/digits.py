"""The digits that come with scikit-learn: no file is missing, and a run takes seconds."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from conceptlab.data.base import Split, split_of
from conceptlab.data.images import ImageData


class Digits(ImageData):
    """1 797 handwritten digits of 8×8 pixels, 17 shades: 1 257 to learn from, 180 to validate on, 360 to test.

    The pixels are floats from 0 to 1. The split is the same in every run, with all classes in the same proportions.

    Source: Alpaydin, Kaynak, *Optical recognition of handwritten digits*, UCI repository, 1998.
    """

    def load(self) -> dict[str, Split]:
        """The three splits."""
        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        labels = torch.tensor(digits.target, dtype=torch.int64)
        rest, test = train_test_split(range(len(labels)), test_size=360, random_state=0, stratify=labels)
        train, val = train_test_split(rest, test_size=180, random_state=0, stratify=labels[rest])
        parts = {"train": train, "val": val, "test": test}
        return {name: split_of(images, labels, indices) for name, indices in parts.items()}
