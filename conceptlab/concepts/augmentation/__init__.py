r"""Augmentation: pictures that were never taken, made from those that were.

A class draws the parameters of its change (``make_params``), a function of its tier makes the change. What a picture
shows should stay what it is while its pixels change: mirrored, cut, turned, in another light.

| kind | rule, for the pixel at row $y$ and column $x$ |
|---|---|
| flip, crop, pad | $x' = W - 1 - x$; $x' = x - \text{left}$; outside: ``fill``, the edge again, or a mirror image |
| resize, rotate, affine | each new pixel asks where it comes from, $(x, y) = A^{-1}(x', y')$, between the old pixels |
| normalize | $(p - \text{mean}) / \text{std}$ |
| brightness $f$ | $f p$ |
| contrast $f$ | $f p + (1 - f)\, \overline{g}$, with $\overline{g}$ the mean of the grey image |
| saturation $f$ | $f p + (1 - f)\, g$, with the grey $g = 0.2989\, r + 0.587\, g + 0.114\, b$ |
| hue $f$ | the colour circle turned by $f$ of a full turn |
| blur | $\sum_{ij} w_i w_j\, p_{y+i, x+j}$, $w_i \propto e^{-i^2 / 2\sigma^2}$ |
| erase, CutMix | a rectangle overwritten, by a value or by another image |
| MixUp | $\lambda p_n + (1 - \lambda)\, p_{n-1}$ over the batch, and the labels alike |

Shapes: (…, C, H, W), tensors or ``tv_tensors.Image`` and ``Video``; MixUp and CutMix take a batch. uint8 pixels are
0 … 255; floating-point pixels are 0 … 1 where a limit matters. Other kinds of input (PIL images, boxes, masks) are
refused. Everything is differentiable by the pixels. The draws come from torch's global generator in torchvision's
order: one seed gives torchvision's pictures. As torchvision does, uint8 is resized in whole numbers on a CPU, and in
float32 on other devices.

Sources: Krizhevsky et al., *ImageNet classification with deep convolutional networks*, 2012; Zhang et al., *mixup*,
2018; Yun et al., *CutMix*, 2019; Zhong et al., *Random erasing*, 2020; Keys, *Cubic convolution interpolation*, 1981.
"""

import torchvision.transforms.v2.functional

from conceptlab.concepts.augmentation import _mixing
from conceptlab.concepts.augmentation._color import ColorJitter, GaussianBlur, Normalize, RandomErasing
from conceptlab.concepts.augmentation._geometry import (
    CenterCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from conceptlab.concepts.augmentation._mixing import CutMix, MixUp
from conceptlab.core import Concept, Function

__all__ = [
    "CONCEPT",
    "CenterCrop",
    "ColorJitter",
    "CutMix",
    "GaussianBlur",
    "MixUp",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
]

CONCEPT = Concept(
    title="pictures made from pictures",
    home=torchvision.transforms.v2.functional,
    family="transforms",
    functions={
        **{name: Function() for name in ("horizontal_flip", "vertical_flip", "pad", "crop", "center_crop")},
        **{name: Function() for name in ("resize", "resized_crop", "rotate", "affine")},
        **{name: Function() for name in ("normalize", "erase", "gaussian_blur")},
        **{f"adjust_{name}": Function() for name in ("brightness", "contrast", "saturation", "hue")},
        "mixup": Function(builtin=_mixing.mixup),
        "cutmix": Function(builtin=_mixing.cutmix),
        "mixup_labels": Function(builtin=_mixing.mixup_labels),
    },
    classes={
        RandomHorizontalFlip: "horizontal_flip",
        RandomVerticalFlip: "vertical_flip",
        Pad: "pad",
        CenterCrop: "center_crop",
        RandomCrop: ("pad", "crop"),
        Resize: "resize",
        RandomResizedCrop: "resized_crop",
        RandomRotation: "rotate",
        RandomAffine: "affine",
        Normalize: "normalize",
        ColorJitter: ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue"),
        GaussianBlur: "gaussian_blur",
        RandomErasing: "erase",
        MixUp: ("mixup", "mixup_labels"),
        CutMix: ("cutmix", "mixup_labels"),
    },
)
