"""Settings of the transforms, calls of their functions with every argument, and batches of two data sets for speed."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Case


def _pixels(*shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    generator = torch.Generator().manual_seed(math.prod(shape))
    if dtype.is_floating_point:
        return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)
    return torch.randint(0, torch.iinfo(dtype).max + 1, shape, generator=generator, dtype=dtype)


IMAGES: Mapping[str, Callable[[], Tensor]] = {
    "uint8": lambda: _pixels(3, 13, 18),
    "float64": lambda: _pixels(3, 13, 18, dtype=torch.float64),
    "float32": lambda: _pixels(2, 3, 16, 16, dtype=torch.float32),
    "int16": lambda: _pixels(3, 9, 12, dtype=torch.int16),
    "batch": lambda: _pixels(4, 3, 16, 16),
    "grey": lambda: _pixels(1, 20, 15, dtype=torch.float64),
    "video": lambda: _pixels(2, 2, 3, 11, 12),
    "channels-last": lambda: _pixels(2, 3, 12, 14, dtype=torch.float64).to(memory_format=torch.channels_last),
    "two-channels": lambda: _pixels(2, 10, 9, dtype=torch.float64),
    "flat": lambda: torch.full((3, 9, 9), 0.25, dtype=torch.float64),
    "grey-bytes": lambda: _pixels(1, 9, 8),
    "beyond": lambda: _pixels(3, 8, 9, dtype=torch.float64) * 2 - 0.5,
    "halves": lambda: _pixels(3, 9, 12, dtype=torch.float16),
    "thin": lambda: _pixels(3, 1, 7, dtype=torch.float64),
    "empty": lambda: _pixels(0, 3, 9, 9, dtype=torch.float64),
}

_INTERPOLATIONS = ("nearest", "nearest-exact", "bilinear", "bicubic")
# torch 2.11 has no lanczos
_LANCZOS = ("lanczos",) if "_upsample_lanczos2d_aa" in vars(torch._C._nn) else ()
_TURNS: list[dict[str, Any]] = [
    *({"angle": angle, "interpolation": mode} for angle in (30, -77.5, 3.3) for mode in ("nearest", "bilinear")),
    # the last takes the corners of a picture of 12 times 9 to whole pixels
    *({"angle": angle, "expand": True} for angle in (10, 33, 77.5, 200, math.degrees(math.atan2(4, 3)))),
    *({"angle": angle, "interpolation": "bilinear"} for angle in (1, 181)),
    *({"angle": angle, "expand": expand} for angle in (0, 90, 180, 270, 360 + 90, 45) for expand in (False, True)),
    {"angle": 20, "fill": 0.5, "interpolation": "bilinear"},
    {"angle": 20, "fill": [7], "interpolation": "nearest", "expand": True},
    {"angle": 20, "fill": [0.1, 0.5, 0.9], "interpolation": "bilinear", "center": [2, 3.5]},
    {"angle": 90, "center": [4, 4]},
    {"angle": 45, "interpolation": "bicubic"},
    {"angle": 45, "fill": [1.0, 2.0]},
    *({"angle": angle, "expand": True, "center": [4, 4]} for angle in (0, 90)),
]
_STILL: dict[str, Any] = {"angle": 0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
_MAPS: list[dict[str, Any]] = [
    _STILL,
    *({**_STILL, "angle": 33.0, "interpolation": mode} for mode in ("nearest", "bilinear")),
    *({**_STILL, "translate": (3, -2), "fill": fill, "interpolation": "bilinear"} for fill in (None, 0, 0.5, [0.2])),
    {**_STILL, "scale": 1.7, "interpolation": "bilinear", "fill": [0.1, 0.2, 0.3]},
    {**_STILL, "scale": 0.6, "shear": [10.0, -20.0], "interpolation": "bilinear"},
    {**_STILL, "angle": -15, "shear": 12, "center": [1, 2.5], "interpolation": 2},
    {**_STILL, "angle": 25.0, "shear": [10.0, -20.0]},
    {**_STILL, "shear": (8.0,)},
    {**_STILL, "shear": 7.5},
    {**_STILL, "angle": "20"},
    {**_STILL, "translate": 3},
    {**_STILL, "translate": [3]},
    {**_STILL, "scale": 0.0},
    {**_STILL, "shear": "1"},
    {**_STILL, "shear": [1, 2, 3]},
    {**_STILL, "center": 3},
    {**_STILL, "interpolation": "nearest-exact"},
    {**_STILL, "interpolation": "linear"},
]
_SIZES: list[dict[str, Any]] = [
    *({"size": [20, 7], "interpolation": mode, "antialias": a} for mode in _INTERPOLATIONS for a in (True, False)),
    *({"size": [4, 31], "interpolation": mode, "antialias": a} for mode in _INTERPOLATIONS for a in (True, None)),
    *({"size": [20, 7], "interpolation": mode, "antialias": a} for mode in _LANCZOS for a in (True, False)),
    *({"size": size} for size in ([13, 18], [13, 9], [5, 18], [1, 1], [8], 8, [26, 36])),
    *({"size": [9, 5], "interpolation": mode} for mode in (0, 2, 3, 4, 5)),
    *({"size": [9, 5], "interpolation": 1} for _ in _LANCZOS),
    {"size": [8], "max_size": 9},
    {"size": [8], "max_size": 40},
    {"size": None, "max_size": 10},
    {"size": None},
    {"size": [8], "max_size": 8},
    {"size": [8, 8], "max_size": 9},
    {"size": 8, "interpolation": "linear"},
    {"size": 8, "interpolation": "box"},
]

FUNCTIONS: Mapping[str, list[dict[str, Any]]] = {
    "horizontal_flip": [{}],
    "vertical_flip": [{}],
    "pad": [
        *({"padding": padding} for padding in (3, [2], [1, 2], [1, 2, 3, 0], (0, 4), -2, [3, -1, -2, 1])),
        *({"padding": [2, 1, 3, 4], "fill": fill} for fill in (0.5, 7, [0.25], [0.1, 0.2, 0.3])),
        *({"padding": [2, 1, 3, 4], "padding_mode": mode} for mode in ("edge", "reflect", "symmetric")),
        *({"padding": [-2, 1, 3, -4], "padding_mode": mode} for mode in ("edge", "reflect")),
        *({"padding": [30, 0], "padding_mode": mode} for mode in ("edge", "reflect", "symmetric")),
        # as far as a mirror goes, for an image of 13 times 18
        {"padding": [17, 12], "padding_mode": "reflect"},
        {"padding": [18, 13], "padding_mode": "symmetric"},
        {"padding": 1, "padding_mode": "mirror"},
        *({"padding": 1, "padding_mode": "edge", "fill": fill} for fill in ([1], [1, 2], [1, 2, 3])),
        {"padding": 1, "fill": [0.1, 0.2]},
        # a mirror that goes too far on one side, or by one
        *({"padding": padding, "padding_mode": "reflect"} for padding in ([0, 0, 30, 0], [18, 1], [2, 0])),
        {"padding": [1, 2, 3]},
        {"padding": "1"},
    ],
    "crop": [
        *({"top": top, "left": left, "height": 5, "width": 6} for top, left in ((0, 0), (2, 3), (-2, 1), (9, 11))),
        *({"top": top, "left": left, "height": 30, "width": 30} for top, left in ((-4, -5), (3, -20))),
        *({"top": top, "left": left, "height": 5, "width": 6} for top, left in ((2, -1), (-1, 2), (2, 13), (9, 2))),
        *({"top": top, "left": left, "height": 5, "width": 6} for top, left in ((8, 12), (0, 12), (8, 0))),
        *({"top": top, "left": left, "height": 4, "width": 4} for top, left in ((40, 0), (-40, 0), (0, -40))),
    ],
    "center_crop": [{"output_size": size} for size in (5, [6], [7, 4], [20, 6], [5, 25], [25, 25], [13, 18], [14, 19])],
    "resize": _SIZES,
    "resized_crop": [
        {"top": 1, "left": 2, "height": 9, "width": 7, "size": size, "interpolation": mode}
        for size in ([12, 12], [4, 5])
        for mode in _INTERPOLATIONS
    ]
    + [{"top": 1, "left": 2, "height": 9, "width": 7, "size": [4, 5], "antialias": False}],
    "rotate": _TURNS,
    "affine": _MAPS,
    "normalize": [
        {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
        {"mean": [0.5], "std": [0.2], "inplace": True},
        {"mean": [0.5], "std": [0.0]},
        {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.0, 0.1]},
        {"mean": 0.5, "std": 0.2},
        {"mean": 0.5, "std": 0.0},
    ],
    "erase": [
        {"i": 1, "j": 2, "h": 5, "w": 4, "v": torch.tensor([[[0.5]]])},
        *(
            {"i": 1, "j": 2, "h": 5, "w": 4, "v": torch.tensor([[[0.5]]]), "inplace": inplace}
            for inplace in (False, True)
        ),
    ],
    "gaussian_blur": [
        *({"kernel_size": size} for size in (3, [5, 3], [1, 7], 1)),
        *({"kernel_size": [5, 3], "sigma": sigma} for sigma in (0.3, [2.5], (0.5, 4), 3)),
        *({"kernel_size": size} for size in (4, [3, 3, 3], -1, 39, [3, 4], [-3, 3], 0)),
        {"kernel_size": 3, "sigma": [0.0, 1.0]},
        *({"kernel_size": 3, "sigma": sigma} for sigma in (0.0, [1, 2, 3], "1")),
    ],
    **{
        f"adjust_{what}": [{f"{what}_factor": factor} for factor in (0, 0.3, 1, 1.9, -0.1)]
        for what in ("brightness", "contrast", "saturation")
    },
    "adjust_hue": [{"hue_factor": factor} for factor in (0, 0.1, -0.25, 0.5, 0.6, 0.5002, -0.5002)],
    "mixup": [{"lam": lam} for lam in (0.0, 0.3, 1.0)],
    "cutmix": [{"box": box} for box in ((1, 2, 5, 7), (0, 0, 9, 9), (3, 3, 3, 3))],
}

_NORMAL = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

CLASSES: Mapping[str, list[dict[str, Any]]] = {
    "RandomHorizontalFlip": [{}, {"p": 1.0}, {"p": 0.0}],
    "RandomVerticalFlip": [{}, {"p": 1.0}],
    "Pad": [{"padding": 2}, {"padding": (1, 2), "fill": 0.5}, {"padding": [1, 2, 3, 0], "padding_mode": "symmetric"}],
    "CenterCrop": [{"size": 8}, {"size": (30, 5)}],
    "RandomCrop": [
        {"size": 8},
        {"size": (9, 9), "padding": 4},
        {"size": (8, 7), "padding": [1, 2, 3, 4], "padding_mode": "reflect"},
        {"size": 20, "pad_if_needed": True, "fill": 0.5},
        {"size": (9, 9), "padding": 1, "pad_if_needed": True, "padding_mode": "edge"},
        {"size": 40},
        {"size": 40, "padding": 1},
    ],
    "Resize": [{"size": 10}, {"size": (20, 8), "interpolation": "bicubic"}, {"size": None, "max_size": 12}],
    "RandomResizedCrop": [
        {"size": 9},
        {"size": (7, 12), "scale": (0.5, 0.9), "ratio": (0.9, 1.1), "interpolation": "nearest", "antialias": False},
        {"size": 6, "scale": (1.0, 1.0), "ratio": (5.0, 6.0)},
        {"size": 6, "scale": (1.0, 1.0), "ratio": (0.1, 0.2)},
        {"size": 6, "scale": (3.0, 4.0)},
    ],
    "RandomRotation": [
        {"degrees": 40},
        {"degrees": (10, 80), "interpolation": "bilinear", "expand": True, "fill": 0.5},
        {"degrees": 90, "center": (3, 5), "fill": [0.3]},
        {"degrees": (90, 90)},
    ],
    "RandomAffine": [
        {"degrees": 30},
        {"degrees": (-9, 60), "translate": (0.1, 0.4), "scale": (0.5, 1.5), "interpolation": "bilinear"},
        {"degrees": 0, "shear": 20, "fill": 0.5},
        {"degrees": 0, "shear": (1, 5, -20, 20), "center": [2, 2], "translate": (0.3, 0.3)},
        {"degrees": 0, "scale": (0.5, 0.8), "fill": {torch.Tensor: 0.3, "others": 0}},
    ],
    "Normalize": [_NORMAL, {**_NORMAL, "inplace": True}],
    "ColorJitter": [
        {},
        {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
        {"brightness": (0.2, 3.0), "hue": (-0.5, 0.5)},
        {"contrast": 0.9, "saturation": (0, 2)},
    ],
    "GaussianBlur": [
        {"kernel_size": 5},
        {"kernel_size": (3, 7), "sigma": (0.5, 0.7)},
        {"kernel_size": 3, "sigma": 1.5},
    ],
    "RandomErasing": [
        {"p": 1.0},
        {"p": 1.0, "value": "random", "scale": (0.1, 0.2)},
        {"p": 1.0, "value": (0.1, 0.2, 0.3), "ratio": (1.0, 1.0), "inplace": True},
        {"p": 1.0, "scale": (1.0, 1.0)},
        {"p": 0.5, "value": 3},
        {"p": 1.0, "value": (1.0, 2.0)},
    ],
    "MixUp": [{"num_classes": 5}, {"num_classes": 5, "alpha": 0.2}],
    "CutMix": [{"num_classes": 5}, {"num_classes": 5, "alpha": 3.0}],
}


def _bench(part: str, **setting: Any) -> tuple[Case, ...]:
    labels = (lambda n: (torch.arange(n) % 5,)) if part in ("MixUp", "CutMix") else (lambda n: ())
    return (
        Case(part, "CIFAR", lambda: (_pixels(128, 3, 32, 32, dtype=torch.float32), *labels(128)), init_kwargs=setting),
        Case(part, "ImageNet", lambda: (_pixels(2, 3, 375, 500, dtype=torch.float32), *labels(2)), init_kwargs=setting),
    )


BENCH = (
    *_bench("RandomHorizontalFlip", p=1.0),
    *_bench("RandomVerticalFlip", p=1.0),
    *_bench("Pad", padding=4),
    *_bench("CenterCrop", size=28),
    *_bench("RandomCrop", size=32, padding=4),
    *_bench("Resize", size=[24, 24]),
    *_bench("RandomResizedCrop", size=[32, 32]),
    *_bench("RandomRotation", degrees=(20, 20)),
    *_bench("RandomAffine", degrees=(20, 20), scale=(0.9, 0.9), interpolation="bilinear"),
    *_bench("Normalize", **_NORMAL),
    *_bench("ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    *_bench("GaussianBlur", kernel_size=5),
    *_bench("RandomErasing", p=1.0),
    *_bench("MixUp", num_classes=5),
    *_bench("CutMix", num_classes=5),
)
