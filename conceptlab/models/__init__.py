"""Networks of plain torch.nn. They know no concept and no tier: parts reach them by swap."""

from conceptlab.models.char_rnn import CharRNN
from conceptlab.models.classifiers import MLP, LeNet5, SmallCNN, Softmax
from conceptlab.models.forecaster import Forecaster
from conceptlab.models.gpt import GPT
from conceptlab.models.resnet import ResNet18
from conceptlab.models.seq2seq import Seq2Seq
from conceptlab.models.text_classifier import TextClassifier

__all__ = [
    "GPT",
    "MLP",
    "CharRNN",
    "Forecaster",
    "LeNet5",
    "ResNet18",
    "Seq2Seq",
    "SmallCNN",
    "Softmax",
    "TextClassifier",
]
