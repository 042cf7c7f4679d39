"""What the transforms share: they act on the pixels of tensors, images and videos, and refuse what they cannot do."""

from collections.abc import Callable
from typing import Any

import PIL.Image
import torch
from torchvision import tv_tensors

from conceptlab.core import Tiered, message


class OnPixels(Tiered):
    """Mixin of all transforms; it stands before torchvision's class of the same name."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse a sample in which something but pixels would have to be transformed, too."""
        super().check_inputs(flat_inputs)
        if self.tier == "builtin":
            return
        pixels = (tv_tensors.Image, tv_tensors.Video)
        for inpt in flat_inputs:
            if isinstance(inpt, PIL.Image.Image) or (
                isinstance(inpt, tv_tensors.TVTensor) and not isinstance(inpt, pixels)
            ):
                raise NotImplementedError(
                    message(
                        f"{type(self).__name__} in tier '{self.tier}'",
                        expected="tensors, tv_tensors.Image or tv_tensors.Video",
                        received=f"{type(inpt).__module__}.{type(inpt).__name__}",
                        remedy="Convert it to a tensor (v2.PILToTensor), or use tier='builtin'.",
                    )
                )

    def apply(self, function: Callable, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the tier on plain pixels; an image stays an image."""
        if not isinstance(inpt, tv_tensors.Image | tv_tensors.Video):
            return function(inpt, *args, **kwargs)
        return tv_tensors.wrap(function(inpt.as_subclass(torch.Tensor), *args, **kwargs), like=inpt)

    def fill_for(self, inpt: Any) -> Any:
        """What ``fill`` says for this kind of input."""
        return self._fill.get(type(inpt), self._fill.get("others"))


def uniform(low: float, high: float) -> float:
    """One draw, in torchvision's way."""
    return torch.empty(1).uniform_(low, high).item()


def randint(end: int) -> int:
    """One draw from 0 … end - 1, in torchvision's way."""
    return int(torch.randint(0, end, size=(1,)))
