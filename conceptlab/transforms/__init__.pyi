# Written by `python -m conceptlab.stubs`, with torch 2.14. Do not edit.

import collections.abc
import conceptlab.concepts.augmentation._color
import conceptlab.concepts.augmentation._geometry
import conceptlab.concepts.augmentation._mixing
import numbers
import torchvision.transforms.functional
import typing
from torchvision.transforms.v2 import Compose as Compose
from torchvision.transforms.v2 import Identity as Identity
from torchvision.transforms.v2 import InterpolationMode as InterpolationMode
from torchvision.transforms.v2 import Lambda as Lambda
from torchvision.transforms.v2 import PILToTensor as PILToTensor
from torchvision.transforms.v2 import RandomApply as RandomApply
from torchvision.transforms.v2 import RandomChoice as RandomChoice
from torchvision.transforms.v2 import RandomOrder as RandomOrder
from torchvision.transforms.v2 import ToDtype as ToDtype
from torchvision.transforms.v2 import ToImage as ToImage
from torchvision.transforms.v2 import ToPILImage as ToPILImage
from torchvision.transforms.v2 import ToPureTensor as ToPureTensor
from torchvision.transforms.v2 import Transform as Transform

class CenterCrop(conceptlab.concepts.augmentation._geometry.CenterCrop):
    def __init__(self, size: int | collections.abc.Sequence[int], *, tier: str = ...) -> None: ...
class ColorJitter(conceptlab.concepts.augmentation._color.ColorJitter):
    def __init__(self, brightness: float | collections.abc.Sequence[float] | None = ..., contrast: float | collections.abc.Sequence[float] | None = ..., saturation: float | collections.abc.Sequence[float] | None = ..., hue: float | collections.abc.Sequence[float] | None = ..., *, tier: str = ...) -> None: ...
class CutMix(conceptlab.concepts.augmentation._mixing.CutMix):
    def __init__(self, *, alpha: float = ..., num_classes: int | None = ..., labels_getter: typing.Any = ..., tier: str = ...) -> None: ...
class GaussianBlur(conceptlab.concepts.augmentation._color.GaussianBlur):
    def __init__(self, kernel_size: int | collections.abc.Sequence[int], sigma: int | float | collections.abc.Sequence[float] = ..., *, tier: str = ...) -> None: ...
class MixUp(conceptlab.concepts.augmentation._mixing.MixUp):
    def __init__(self, *, alpha: float = ..., num_classes: int | None = ..., labels_getter: typing.Any = ..., tier: str = ...) -> None: ...
class Normalize(conceptlab.concepts.augmentation._color.Normalize):
    def __init__(self, mean: collections.abc.Sequence[float], std: collections.abc.Sequence[float], inplace: bool = ..., *, tier: str = ...) -> None: ...
class Pad(conceptlab.concepts.augmentation._geometry.Pad):
    def __init__(self, padding: int | collections.abc.Sequence[int], fill: int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None | dict[type | str, int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None] = ..., padding_mode: typing.Literal['constant', 'edge', 'reflect', 'symmetric'] = ..., *, tier: str = ...) -> None: ...
class RandomAffine(conceptlab.concepts.augmentation._geometry.RandomAffine):
    def __init__(self, degrees: numbers.Number | collections.abc.Sequence, translate: collections.abc.Sequence[float] | None = ..., scale: collections.abc.Sequence[float] | None = ..., shear: int | float | collections.abc.Sequence[float] | None = ..., interpolation: str | torchvision.transforms.functional.InterpolationMode | int = ..., fill: int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None | dict[type | str, int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None] = ..., center: list[float] | None = ..., *, tier: str = ...) -> None: ...
class RandomCrop(conceptlab.concepts.augmentation._geometry.RandomCrop):
    def __init__(self, size: int | collections.abc.Sequence[int], padding: int | collections.abc.Sequence[int] | None = ..., pad_if_needed: bool = ..., fill: int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None | dict[type | str, int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None] = ..., padding_mode: typing.Literal['constant', 'edge', 'reflect', 'symmetric'] = ..., *, tier: str = ...) -> None: ...
class RandomErasing(conceptlab.concepts.augmentation._color.RandomErasing):
    def __init__(self, p: float = ..., scale: collections.abc.Sequence[float] = ..., ratio: collections.abc.Sequence[float] = ..., value: float = ..., inplace: bool = ..., *, tier: str = ...) -> None: ...
class RandomHorizontalFlip(conceptlab.concepts.augmentation._geometry.RandomHorizontalFlip):
    def __init__(self, p: float = ..., *, tier: str = ...) -> None: ...
class RandomResizedCrop(conceptlab.concepts.augmentation._geometry.RandomResizedCrop):
    def __init__(self, size: int | collections.abc.Sequence[int], scale: tuple[float, float] = ..., ratio: tuple[float, float] = ..., interpolation: str | torchvision.transforms.functional.InterpolationMode | int = ..., antialias: bool | None = ..., *, tier: str = ...) -> None: ...
class RandomRotation(conceptlab.concepts.augmentation._geometry.RandomRotation):
    def __init__(self, degrees: numbers.Number | collections.abc.Sequence, interpolation: str | torchvision.transforms.functional.InterpolationMode | int = ..., expand: bool = ..., center: list[float] | None = ..., fill: int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None | dict[type | str, int | float | collections.abc.Sequence[int] | collections.abc.Sequence[float] | None] = ..., *, tier: str = ...) -> None: ...
class RandomVerticalFlip(conceptlab.concepts.augmentation._geometry.RandomVerticalFlip):
    def __init__(self, p: float = ..., *, tier: str = ...) -> None: ...
class Resize(conceptlab.concepts.augmentation._geometry.Resize):
    def __init__(self, size: int | collections.abc.Sequence[int] | None, interpolation: str | torchvision.transforms.functional.InterpolationMode | int = ..., max_size: int | None = ..., antialias: bool | None = ..., *, tier: str = ...) -> None: ...
