"""Data: a LightningDataModule for each data set, with an order and an augmentation that can be repeated exactly."""

from conceptlab.data.base import ImageData
from conceptlab.data.digits import Digits
from conceptlab.data.folder import ImageFolder
from conceptlab.data.torchvision_sets import CIFAR10, MNIST, FashionMNIST

__all__ = ["CIFAR10", "MNIST", "Digits", "FashionMNIST", "ImageData", "ImageFolder"]
