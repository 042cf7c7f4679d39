"""Shapes from real networks, with few images and few channels: what PyTorch's samples, all of them small, lack."""

from collections.abc import Iterator, Mapping

from conceptlab.core.samples import Sample
from conceptlab.verify.samples.draw import Draw, Maker


def _conv2d(draw: Draw) -> Iterator[Sample]:
    yield Sample("LeNet, first", (draw(2, 1, 28, 28), draw(6, 1, 5, 5), draw(6)), {"padding": 2})
    yield Sample("LeNet, second", (draw(2, 6, 14, 14), draw(16, 6, 5, 5), draw(16)))
    yield Sample("ResNet, stem", (draw(1, 3, 32, 32), draw(16, 3, 7, 7)), {"stride": 2, "padding": 3})
    yield Sample("ResNet, last stage", (draw(2, 64, 7, 7), draw(64, 64, 3, 3)), {"padding": 1})
    yield Sample("ResNet, shortcut", (draw(2, 32, 14, 14), draw(64, 32, 1, 1)), {"stride": 2})
    yield Sample("MobileNet, expansion", (draw(2, 16, 14, 14), draw(96, 16, 1, 1)))
    yield Sample("MobileNet, depthwise", (draw(2, 32, 14, 14), draw(32, 1, 3, 3)), {"padding": 1, "groups": 32})


def _linear(draw: Draw) -> Iterator[Sample]:
    yield Sample("LeNet, first", (draw(4, 400), draw(120, 400), draw(120)))
    yield Sample("ResNet, head", (draw(4, 512), draw(100, 512), draw(100)))
    yield Sample("GPT, feed-forward", (draw(2, 16, 64), draw(256, 64), draw(256)))
    yield Sample("GPT, token scores", (draw(2, 16, 64), draw(300, 64)))


def _batch_norm(draw: Draw) -> Iterator[Sample]:
    for network, shape in (("ResNet, first stage", (4, 64, 14, 14)), ("MobileNet, expansion", (2, 96, 7, 7))):
        C = shape[1]
        statistics = draw(C).detach(), draw(C).detach().square()
        for training in (True, False):
            mode = "training" if training else "evaluation"
            yield Sample(f"{network}, {mode}", (draw(*shape), *statistics, draw(C), draw(C)), {"training": training})


def _layer_norm(draw: Draw) -> Iterator[Sample]:
    yield Sample("GPT, block", (draw(2, 16, 64), [64], draw(64), draw(64)))
    yield Sample("ConvNeXt, stage", (draw(2, 7, 7, 96), [96], draw(96), draw(96), 1e-6))


def _max_pool2d(draw: Draw) -> Iterator[Sample]:
    yield Sample("LeNet", (draw(2, 6, 28, 28), 2))
    yield Sample("ResNet, stem", (draw(1, 16, 28, 28), 3, 2, 1))


def _relu(draw: Draw) -> Iterator[Sample]:
    yield Sample("LeNet", (draw(2, 6, 28, 28),))
    yield Sample("ResNet, in place", (draw(2, 64, 7, 7),), {"inplace": True})


def _softmax(draw: Draw) -> Iterator[Sample]:
    yield Sample("ResNet, head", (draw(4, 1000), 1))
    yield Sample("GPT, attention", (draw(2, 4, 16, 16), -1))


def _cross_entropy(draw: Draw) -> Iterator[Sample]:
    yield Sample("LeNet", (draw(32, 10), draw.whole(10, 32)))
    yield Sample("ResNet", (draw(4, 1000), draw.whole(1000, 4)), {"label_smoothing": 0.1})
    tokens = draw.whole(300, 32)
    tokens[::5] = -100  # padding
    yield Sample("GPT, tokens", (draw(32, 300), tokens))


def _lstm(draw: Draw) -> Iterator[Sample]:
    state = draw(2, 4, 32), draw(2, 4, 32)
    yield Sample("words", (draw(12, 4, 16), state), init_args=(16, 32, 2))
    yield Sample("sentences, both ways", (draw(4, 12, 16),), {}, (16, 32), {"batch_first": True, "bidirectional": True})


SAMPLES: Mapping[str, Maker] = {
    "LSTM": _lstm,
    "batch_norm": _batch_norm,
    "conv2d": _conv2d,
    "cross_entropy": _cross_entropy,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "relu": _relu,
    "softmax": _softmax,
}
