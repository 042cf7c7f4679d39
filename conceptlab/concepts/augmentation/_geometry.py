"""Transforms that move pixels: the classes, with their draws."""

import math
from typing import Any

import torch
from torchvision.transforms import v2

from conceptlab.concepts.augmentation._pixels import OnPixels, randint, uniform
from conceptlab.core import message


class RandomHorizontalFlip(OnPixels, v2.RandomHorizontalFlip):
    """Left and right exchanged, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.horizontal_flip, inpt)


class RandomVerticalFlip(OnPixels, v2.RandomVerticalFlip):
    """Top and bottom exchanged, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.vertical_flip, inpt)


class Pad(OnPixels, v2.Pad):
    """A margin of ``padding`` pixels, of one colour or repeating the image."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.pad, inpt, self.padding, self.fill_for(inpt), self.padding_mode)


class CenterCrop(OnPixels, v2.CenterCrop):
    """The middle of the image, in ``size``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.apply(self.ops.center_crop, inpt, self.size)


class RandomCrop(OnPixels, v2.RandomCrop):
    """A window of ``size`` anywhere in the image, which may be padded first."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = v2.query_size(flat_inputs)
        wanted_height, wanted_width = self.size
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        if self.pad_if_needed:
            # on both sides by all that is missing: every place of the image in the window can be drawn
            more_rows = max(wanted_height - (height + top + bottom), 0)
            more_columns = max(wanted_width - (width + left + right), 0)
            top, bottom, left, right = top + more_rows, bottom + more_rows, left + more_columns, right + more_columns
        height, width = height + top + bottom, width + left + right
        if height < wanted_height or width < wanted_width:
            padded = "padded " if self.padding is not None else ""
            raise ValueError(
                message(
                    f"Required crop size {(wanted_height, wanted_width)} is larger than {padded}input image size",
                    expected="a window inside the image",
                    received=f"an image of {(height, width)}",
                    remedy="Set pad_if_needed=True, or a smaller size.",
                )
            )
        # no draw where there is no choice
        window = {
            "top": int(torch.randint(0, height - wanted_height + 1, size=())) if height > wanted_height else 0,
            "left": int(torch.randint(0, width - wanted_width + 1, size=())) if width > wanted_width else 0,
            "height": wanted_height,
            "width": wanted_width,
        }
        return {
            "padding": [left, top, right, bottom],
            "window": window,
            "needs_crop": height > wanted_height or width > wanted_width,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(params["padding"]):
            inpt = self.apply(self.ops.pad, inpt, params["padding"], self.fill_for(inpt), self.padding_mode)
        return self.apply(self.ops.crop, inpt, **params["window"]) if params["needs_crop"] else inpt


class Resize(OnPixels, v2.Resize):
    """The image in another ``size``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        options = (self.interpolation, self.max_size, self.antialias)
        return self.apply(self.ops.resize, inpt, self.size, *options)


class RandomResizedCrop(OnPixels, v2.RandomResizedCrop):
    """A window of random area (``scale``) and aspect (``ratio``), resized to ``size``."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = v2.query_size(flat_inputs)
        for _ in range(10):
            area = height * width * uniform(*self.scale)
            # even in the logarithm: twice as wide is as likely as twice as high
            ratio = torch.empty(1).uniform_(*self._log_ratio).exp().item()
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return {"top": randint(height - h + 1), "left": randint(width - w + 1), "height": h, "width": w}
        # nothing fits: the largest window in the middle whose aspect is allowed
        h, w = height, width
        if width / height < min(self.ratio):
            h = round(width / min(self.ratio))
        elif width / height > max(self.ratio):
            w = round(height * max(self.ratio))
        return {"top": (height - h) // 2, "left": (width - w) // 2, "height": h, "width": w}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        options = {"size": self.size, "interpolation": self.interpolation, "antialias": self.antialias}
        return self.apply(self.ops.resized_crop, inpt, **params, **options)


class RandomRotation(OnPixels, v2.RandomRotation):
    """A turn by an angle from ``degrees``, anticlockwise."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": uniform(*self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        options = (self.interpolation, self.expand, self.center, self.fill_for(inpt))
        return self.apply(self.ops.rotate, inpt, params["angle"], *options)


class RandomAffine(OnPixels, v2.RandomAffine):
    """A turn, a shift, a change of scale and a shear, all drawn."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = v2.query_size(flat_inputs)[::-1]  # width, height
        angle = uniform(*self.degrees)
        reach = [share * side for share, side in zip(self.translate or (), size, strict=False)]
        translate = tuple(round(uniform(-furthest, furthest)) for furthest in reach) or (0, 0)
        scale = 1.0 if self.scale is None else uniform(*self.scale)
        shear = (0.0, 0.0)
        if self.shear is not None:
            shear = (uniform(*self.shear[:2]), uniform(*self.shear[2:]) if len(self.shear) == 4 else 0.0)
        return {"angle": angle, "translate": translate, "scale": scale, "shear": shear}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        options = {"interpolation": self.interpolation, "fill": self.fill_for(inpt), "center": self.center}
        return self.apply(self.ops.affine, inpt, **params, **options)
