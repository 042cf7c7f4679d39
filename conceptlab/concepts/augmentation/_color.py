"""Transforms that change the values of pixels where they are: the classes, with their draws."""

import math
from typing import Any

import torch
from torchvision.transforms import v2

from conceptlab.concepts.augmentation._pixels import OnPixels, randint, uniform
from conceptlab.core import message


class Normalize(OnPixels, v2.Normalize):
    """Each channel less its ``mean``, divided by its ``std``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.normalize, inpt, self.mean, self.std, self.inplace)


class ColorJitter(OnPixels, v2.ColorJitter):
    """Brightness, contrast, saturation and hue, each changed at random, in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        order = torch.randperm(4).tolist()
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        factors = [None if limits is None else uniform(*limits) for limits in ranges]
        return {"order": order, "factors": factors}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        ops = self.ops
        changes = (ops.adjust_brightness, ops.adjust_contrast, ops.adjust_saturation, ops.adjust_hue)
        for number in params["order"]:
            factor = params["factors"][number]
            if factor is not None:
                inpt = self.apply(changes[number], inpt, factor)
        return inpt


class GaussianBlur(OnPixels, v2.GaussianBlur):
    """Each pixel a weighted mean of its surroundings, of a width drawn from ``sigma``."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [uniform(*self.sigma)] * 2}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.gaussian_blur, inpt, self.kernel_size, params["sigma"])


class RandomErasing(OnPixels, v2.RandomErasing):
    """With probability ``p`` a rectangle of random area (``scale``) and aspect (``ratio``) becomes ``value``."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels, height, width = v2.query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                message(
                    "RandomErasing",
                    expected=f"If value is a sequence, it should have either a single value or {channels}",
                    received=f"{len(self.value)} values",
                    remedy="Give one value for each channel.",
                )
            )
        for _ in range(10):
            area = height * width * uniform(*self.scale)
            ratio = torch.empty(1).uniform_(*self._log_ratio).exp().item()
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                if self.value is None:
                    value = torch.empty([channels, h, w]).normal_()
                else:
                    value = torch.tensor(self.value)[:, None, None]
                return {"i": randint(height - h + 1), "j": randint(width - w + 1), "h": h, "w": w, "v": value}
        return {}  # no rectangle was small enough

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.erase, inpt, **params, inplace=self.inplace) if params else inpt
