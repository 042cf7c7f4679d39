"""The changes of a picture, vectorised: a file for each kind."""

from conceptlab.concepts.augmentation.handmade.blur import gaussian_blur
from conceptlab.concepts.augmentation.handmade.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    normalize,
)
from conceptlab.concepts.augmentation.handmade.mixing import cutmix, erase, mixup, mixup_labels
from conceptlab.concepts.augmentation.handmade.moving import center_crop, crop, horizontal_flip, pad, vertical_flip
from conceptlab.concepts.augmentation.handmade.resizing import resize, resized_crop
from conceptlab.concepts.augmentation.handmade.turning import affine, rotate

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
