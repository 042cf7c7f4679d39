"""Rectangles overwritten, and images of a batch mixed."""

from typing import Any

from torch import Tensor


def erase(inpt: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    output = inpt if inplace else inpt.clone()
    output[..., i : i + h, j : j + w] = v
    return output


def mixup(batch: Tensor, lam: float) -> Tensor:
    return batch.roll(1, 0).mul_(1 - lam).add_(batch.mul(lam))


def cutmix(batch: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    x1, y1, x2, y2 = box
    output = batch.clone()
    output[..., y1:y2, x1:x2] = batch.roll(1, 0)[..., y1:y2, x1:x2]
    return output


def mixup_labels(labels: Tensor, lam: float, num_classes: int | None = None) -> Tensor:
    if labels.dim() == 1:
        size: Any = (len(labels), num_classes)
        one_hot = labels.new_zeros(size)
        labels = one_hot.scatter_(1, labels[:, None], 1)
    return mixup(labels if labels.is_floating_point() else labels.float(), lam)
