"""Data: a LightningDataModule for each data set, with an order and an augmentation that can be repeated exactly."""

from conceptlab.data.base import Data
from conceptlab.data.digits import Digits
from conceptlab.data.docstrings import Docstrings
from conceptlab.data.folder import ImageFolder
from conceptlab.data.images import ImageData
from conceptlab.data.sequences import Copy, Reverse
from conceptlab.data.sunspots import Sunspots
from conceptlab.data.text import Text
from conceptlab.data.torchvision_sets import CIFAR10, MNIST, FashionMNIST

__all__ = [
    "CIFAR10",
    "MNIST",
    "Copy",
    "Data",
    "Digits",
    "Docstrings",
    "FashionMNIST",
    "ImageData",
    "ImageFolder",
    "Reverse",
    "Sunspots",
    "Text",
]
