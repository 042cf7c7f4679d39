"""Constructor arguments of torchvision's transforms: of those that conceptlab has not by hand, and what is refused."""

from collections.abc import Mapping
from typing import Any

import torch
from torchvision.transforms import v2

_SOME = [v2.RandomHorizontalFlip(), v2.Pad(1), v2.RandomCrop(8)]

OTHERS: Mapping[str, list[dict[str, Any]]] = {
    "AugMix": [{}],
    "AutoAugment": [{}, {"policy": v2.AutoAugmentPolicy.SVHN}],
    "Compose": [{"transforms": _SOME}],
    "ConvertImageDtype": [{}],
    "ElasticTransform": [{}, {"alpha": 20.0, "sigma": 3.0, "interpolation": "nearest"}],
    "FiveCrop": [{"size": 5}],
    "GaussianNoise": [{}, {"mean": 0.1, "sigma": 0.3, "clip": False}],
    "Grayscale": [{}, {"num_output_channels": 3}],
    "JPEG": [{"quality": 50}, {"quality": (20, 80)}],
    "Lambda": [{"lambd": torch.neg}],
    "LinearTransformation": [
        {"transformation_matrix": torch.eye(3 * 13 * 18).flip(0), "mean_vector": torch.full((3 * 13 * 18,), 0.5)}
    ],
    "RandAugment": [{}, {"num_ops": 4, "magnitude": 20}],
    "RandomAdjustSharpness": [{"sharpness_factor": 2.0}, {"sharpness_factor": 0.3, "p": 1.0}],
    "RandomApply": [{"transforms": _SOME}],
    "RandomAutocontrast": [{}],
    "RandomChannelPermutation": [{}],
    "RandomChoice": [{"transforms": _SOME}, {"transforms": _SOME, "p": [0.1, 0.2, 0.7]}],
    "RandomEqualize": [{}],
    "RandomGrayscale": [{}, {"p": 1.0}],
    "RandomInvert": [{}],
    "RandomOrder": [{"transforms": _SOME}],
    "RandomPerspective": [{}, {"distortion_scale": 0.3, "p": 1.0, "interpolation": "nearest", "fill": 0.5}],
    "RandomPhotometricDistort": [{}, {"p": 1.0}],
    "RandomPosterize": [{"bits": 3}],
    "RandomResize": [{"min_size": 6, "max_size": 12}],
    "RandomShortestSize": [{"min_size": [7, 9], "max_size": 20}],
    "RandomSolarize": [{"threshold": 0.5}],
    "RandomZoomOut": [{}, {"p": 1.0, "side_range": (1.0, 2.0), "fill": 0.5}],
    "ScaleJitter": [{"target_size": (12, 12)}],
    "TenCrop": [{"size": 5}],
    "ToDtype": [{"dtype": torch.float32, "scale": True}, {"dtype": torch.uint8}],
    "UniformTemporalSubsample": [{"num_samples": 2}],
}
"""Where a class is missing, it is built without arguments."""

_PROBABILITY = [{"p": 1.5}, {"p": -0.1}]

REFUSED: Mapping[str, list[dict[str, Any]]] = {
    "CenterCrop": [{"size": [1, 2, 3]}, {"size": "4"}],
    "ColorJitter": [{"brightness": -1.0}, {"hue": 0.6}, {"contrast": "1"}, {"saturation": (2.0, 1.0)}],
    "GaussianBlur": [{"kernel_size": 4}, {"kernel_size": 3, "sigma": (2.0, 1.0)}, {"kernel_size": 3, "sigma": -1.0}],
    "Pad": [{"padding": "1"}, {"padding": [1, 2, 3]}, {"padding": 1, "padding_mode": "mirror"}],
    "RandomAffine": [{"degrees": -3}, {"degrees": 3, "translate": (2.0, 0.1)}, {"degrees": 3, "scale": (-1.0, 1.0)}],
    "RandomCrop": [{"size": [1, 2, 3]}, {"size": 4, "padding": "1"}, {"size": 4, "padding_mode": "mirror"}],
    "RandomErasing": [{"p": 1.5}, {"scale": (0.5, 2.0)}, {"value": (1.0, 2.0), "p": 1.0}, {"value": {}}],
    "RandomHorizontalFlip": _PROBABILITY,
    "RandomResizedCrop": [{"size": 4, "scale": 0.5}, {"size": 4, "ratio": 1.0}, {"size": [1, 2, 3]}],
    "RandomRotation": [{"degrees": -3}, {"degrees": (1, 2, 3)}, {"degrees": 30, "center": 3}],
    "RandomVerticalFlip": _PROBABILITY,
    "Resize": [{"size": [1, 2, 3]}, {"size": "4"}, {"size": 8, "max_size": 8}, {"size": 8, "interpolation": "linear"}],
    "MixUp": [{"alpha": -1.0}, {}],
    "CutMix": [{"alpha": -1.0}, {}],
    "Normalize": [{"mean": [0.5], "std": [0.0]}, {"mean": [0.1, 0.2], "std": [1.0, 1.0]}],
}  # fmt: skip
"""Arguments that torchvision refuses, at once or when it meets an image."""
