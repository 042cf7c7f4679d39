r"""Dropout: in training, switch off a random share of the activations, so that none can be relied on alone.

Each value has a mask $m$ of its own, 1 with probability $1 - p$ and 0 with probability $p$:

$$ y = \frac{m\, x}{1 - p} $$

The division keeps the expected value, $\mathrm{E}[y] = x$, so that evaluation has nothing to do: there, $y = x$.

Alpha dropout is the same for a network of SELUs, which keep mean 0 and variance 1. A dropped value becomes the lowest
value of SELU, $\alpha' = -1.758$, and a line brings mean and variance back:

$$ y = a\, (m\, x + (1 - m)\, \alpha') + b, \qquad
   a = \frac{1}{\sqrt{(1 - p)(1 + p\, \alpha'^2)}}, \qquad b = -a\, p\, \alpha' $$

| symbol | argument | |
|---|---|---|
| $x$ | ``input`` | any shape for ``dropout`` and ``alpha_dropout`` |
| $p$ | ``p`` | the probability of being dropped, 0 to 1 |

The kinds with a number or with ``feature`` drop whole channels: $m$ is drawn once for each channel of each member of
the batch, since neighbours in a feature map tell the same. Their inputs: ``dropout1d`` ([B,] C, T), ``dropout2d``
(B, C, H, W), ``dropout3d`` ([B,] C, D, H, W), ``feature_alpha_dropout`` (B, C, \*). The result has the shape of the
input; ``inplace=True`` writes it there.

``training=False`` and ``p=0`` return the input itself. On a CPU the draws are torch's: one seed, one mask, in every
tier, as long as the memory format is the same, whose order the draws follow. In half precision too.

Sources: Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014; Tompson et al.,
*Efficient object localization using convolutional networks*, 2015 (channels); Klambauer et al., *Self-normalizing
neural networks*, 2017 (alpha).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class Dropout(Tiered, torch.nn.Dropout):
    """Drops single values, in training.

    >>> Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    >>> set(Dropout(0.5)(torch.ones(100)).tolist())
    {0.0, 2.0}
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(Tiered, torch.nn.Dropout1d):
    """Drops whole channels of sequences.

    >>> Dropout1d(1.0)(torch.ones(1, 2, 3))
    tensor([[[0., 0., 0.],
             [0., 0., 0.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(Tiered, torch.nn.Dropout2d):
    """Drops whole channels of images.

    >>> kept = Dropout2d(0.5)(torch.ones(1, 100, 2, 2)).sum((2, 3))  # nothing or everything, rescaled
    >>> sorted(set(kept.flatten().tolist()))
    [0.0, 8.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(Tiered, torch.nn.Dropout3d):
    """Drops whole channels of volumes.

    >>> Dropout3d(0.0)(torch.ones(1, 1, 1, 1, 2))
    tensor([[[[[1., 1.]]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(Tiered, torch.nn.AlphaDropout):
    """Drops single values to the lowest value of SELU; ``inplace`` has no effect, as in torch.

    >>> AlphaDropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(Tiered, torch.nn.FeatureAlphaDropout):
    """Drops whole channels to the lowest value of SELU; ``inplace`` has no effect, as in torch.

    >>> FeatureAlphaDropout(0.5).eval()(torch.ones(1, 2))
    tensor([[1., 1.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.feature_alpha_dropout(input, self.p, self.training)


def _in_place(function: Callable, input: Tensor, p: float, train: bool) -> Tensor:
    return function(input, p, train, inplace=True)


def _features(function: Callable, input: Tensor, p: float, train: bool) -> Tensor:
    """torch.feature_dropout takes any number of axes behind the channels; dropout2d, two."""
    if input.dim() in (0, 1, 4):
        return function(input, p, train)
    return function(input.reshape(*input.shape[:2], -1, 1), p, train).reshape(input.shape)


def _features_in_place(function: Callable, input: Tensor, p: float, train: bool) -> Tensor:
    return input.copy_(_features(function, input, p, train))


CONCEPT = Concept(
    title="dropout",
    home=F,
    functions={
        "dropout": Function(also={torch.dropout: None, torch.dropout_: _in_place}),
        "dropout1d": Function(),
        "dropout2d": Function(also={torch.feature_dropout: _features, torch.feature_dropout_: _features_in_place}),
        "dropout3d": Function(),
        "alpha_dropout": Function(also={torch.alpha_dropout: None, torch.alpha_dropout_: _in_place}),
        "feature_alpha_dropout": Function(
            also={torch.feature_alpha_dropout: None, torch.feature_alpha_dropout_: _in_place}
        ),
    },
    classes={
        Dropout: "dropout",
        Dropout1d: "dropout1d",
        Dropout2d: "dropout2d",
        Dropout3d: "dropout3d",
        AlphaDropout: "alpha_dropout",
        FeatureAlphaDropout: "feature_alpha_dropout",
    },
)
