"""The changes of a picture, each by its rule: a file for each kind."""

from conceptlab.concepts.augmentation.naive.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    normalize,
)
from conceptlab.concepts.augmentation.naive.mixing import cutmix, erase, gaussian_blur, mixup, mixup_labels
from conceptlab.concepts.augmentation.naive.moving import center_crop, crop, horizontal_flip, pad, vertical_flip
from conceptlab.concepts.augmentation.naive.resizing import resize, resized_crop
from conceptlab.concepts.augmentation.naive.turning import affine, rotate

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "affine",
    "center_crop",
    "crop",
    "cutmix",
    "erase",
    "gaussian_blur",
    "horizontal_flip",
    "mixup",
    "mixup_labels",
    "normalize",
    "pad",
    "resize",
    "resized_crop",
    "rotate",
    "vertical_flip",
]
