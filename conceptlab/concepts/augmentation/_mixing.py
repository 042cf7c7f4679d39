"""Transforms that mix the images of a batch, and their labels: the classes, with their draws."""

import math
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from conceptlab.concepts.augmentation._pixels import OnPixels, randint


class MixUp(OnPixels, v2.MixUp):
    """Each image faded with the one before it in the batch, and their labels alike."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"lam": float(self._dist.sample(()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if inpt is params["labels"]:
            return self.ops.mixup_labels(inpt, params["lam"], self.num_classes)
        if not _has_pixels(inpt):
            return inpt
        self._check_image_or_video(inpt, batch_size=params["batch_size"])
        return self.apply(self.ops.mixup, inpt, params["lam"])


class CutMix(OnPixels, v2.CutMix):
    """In each image a rectangle from the one before it in the batch; the labels mixed by area."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        lam = float(self._dist.sample(()))
        height, width = v2.query_size(flat_inputs)
        x, y = randint(width), randint(height)
        # a rectangle around (x, y) with the share 1 - lam of the area, and of the image's aspect
        share = 0.5 * math.sqrt(1 - lam)
        dx, dy = int(share * width), int(share * height)
        x1, y1, x2, y2 = max(x - dx, 0), max(y - dy, 0), min(x + dx, width), min(y + dy, height)
        return {"box": (x1, y1, x2, y2), "lam_adjusted": 1 - (x2 - x1) * (y2 - y1) / (width * height)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if inpt is params["labels"]:
            return self.ops.mixup_labels(inpt, params["lam_adjusted"], self.num_classes)
        if not _has_pixels(inpt):
            return inpt
        self._check_image_or_video(inpt, batch_size=params["batch_size"])
        return self.apply(self.ops.cutmix, inpt, params["box"])


def mixup(batch: Tensor, lam: float) -> Tensor:
    """torchvision's own, which has no function of its own."""
    return v2.MixUp(num_classes=1).transform(batch, {"lam": lam, "labels": None, "batch_size": len(batch)})


def cutmix(batch: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """torchvision's own, likewise."""
    return v2.CutMix(num_classes=1).transform(batch, {"box": box, "labels": None, "batch_size": len(batch)})


def mixup_labels(labels: Tensor, lam: float, num_classes: int | None = None) -> Tensor:
    """torchvision's own, likewise."""
    return v2.MixUp(num_classes=num_classes).transform(labels, {"lam": lam, "labels": labels})


def _has_pixels(inpt: Any) -> bool:
    if isinstance(inpt, tv_tensors.TVTensor):
        return isinstance(inpt, tv_tensors.Image | tv_tensors.Video)
    return isinstance(inpt, torch.Tensor)
