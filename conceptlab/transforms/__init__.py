"""The transforms, under the names of ``torchvision.transforms.v2``, and with ``tier=``.

What does no arithmetic on the pixels (containers, conversions of type) is torchvision's.
"""

import torchvision.transforms.v2

from conceptlab.core.surface import Surface

_surface = Surface(
    __name__,
    torchvision.transforms.v2,
    passes=(
        *("Transform", "Compose", "RandomApply", "RandomChoice", "RandomOrder", "Identity", "Lambda"),
        *("ToImage", "ToPILImage", "PILToTensor", "ToPureTensor", "ToDtype", "InterpolationMode"),
    ),
)
_contents = _surface.contents()
globals().update(_contents)

__all__ = list(_contents)
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
