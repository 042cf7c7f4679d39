"""Networks of plain torch.nn. They know no concept and no tier: parts reach them by swap."""

from conceptlab.models.classifiers import MLP, LeNet5, SmallCNN, Softmax
from conceptlab.models.resnet import ResNet18

__all__ = ["MLP", "LeNet5", "ResNet18", "SmallCNN", "Softmax"]
