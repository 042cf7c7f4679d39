r"""Loss: one number that says how far a prediction is from its target, and whose gradient says where to go.

Numbers (regression), with the difference $d$ = ``input`` − ``target``:

| function | loss of an element |
|---|---|
| ``mse_loss`` | $d^2$ |
| ``l1_loss`` | $\lvert d \rvert$ |
| ``huber_loss`` | $\tfrac12 d^2$ for $\lvert d \rvert \le \delta$, else $\delta (\lvert d \rvert - \tfrac12 \delta)$ |
| ``smooth_l1_loss`` | the same with $\delta =$ ``beta``, divided by ``beta``; ``l1_loss`` for ``beta`` 0 |

Yes or no, with the probability $t =$ ``target`` of a yes:

| function | loss of an element |
|---|---|
| ``binary_cross_entropy`` | $-t \log x - (1 - t) \log(1 - x)$, $x$ a probability; no logarithm below −100 |
| ``binary_cross_entropy_with_logits`` | the same of $\sigma(x)$; ``pos_weight`` multiplies the first term |

One of C classes, along axis 1 of ``input`` (axis 0 if it has only one):

| function | loss of a row |
|---|---|
| ``nll_loss`` | $-w_t\, x_t$ for log-probabilities $x$ and the class $t$; 0 if $t$ is ``ignore_index`` |
| ``cross_entropy`` | the same of $y = \operatorname{log\_softmax}(x)$; for probabilities $t_c$: $-\sum_c w_c t_c y_c$ |

``label_smoothing`` $\varepsilon$ moves the share $\varepsilon$ of the target's weight evenly to all classes. ``weight``
$w$ is one factor for each element, or for each class. ``reduction`` is ``"none"``, ``"sum"`` or ``"mean"``: over the
elements, and over the rows weighted by $w_t$ where classes are given by their number.

Shapes: ``input`` and ``target`` alike; for classes (C), (B, C) or (B, C, \*) and, for numbers of classes, the same
without C. Training and evaluation are the same. Half precision is computed in float32; under autocast all of them are
float32. A mean over nothing is NaN.

Sources: Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 6.2.2; Huber, *Robust estimation of a location
parameter*, 1964; Girshick, *Fast R-CNN*, 2015 (smooth L1); Szegedy et al., *Rethinking the Inception architecture*,
2016 (label smoothing).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class MSELoss(Tiered, torch.nn.MSELoss):
    """The squared difference.

    >>> MSELoss()(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    tensor(5.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Tiered, torch.nn.L1Loss):
    """The absolute difference.

    >>> L1Loss()(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Tiered, torch.nn.SmoothL1Loss):
    """The absolute difference, rounded off around 0.

    >>> SmoothL1Loss(reduction="none")(torch.tensor([0.5, 3.0]), torch.tensor([0.0, 0.0]))
    tensor([0.1250, 2.5000])
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Tiered, torch.nn.HuberLoss):
    """The squared difference, which goes on as a straight line beyond ``delta``.

    >>> HuberLoss(reduction="none", delta=2.0)(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    tensor([0.5000, 4.0000])
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(Tiered, torch.nn.BCELoss):
    """Cross-entropy of a yes or no, from a probability.

    >>> BCELoss()(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Tiered, torch.nn.BCEWithLogitsLoss):
    """Cross-entropy of a yes or no, from a number whose sigmoid is the probability.

    >>> BCEWithLogitsLoss()(torch.tensor([-1000.0]), torch.tensor([1.0]))
    tensor(1000.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class NLLLoss(Tiered, torch.nn.NLLLoss):
    """Minus the log-probability of the right class.

    >>> NLLLoss()(torch.tensor([[-1.0, -3.0]]), torch.tensor([1]))
    tensor(3.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(Tiered, torch.nn.CrossEntropyLoss):
    """The same from any numbers, whose softmax is the distribution.

    >>> CrossEntropyLoss()(torch.tensor([[1000.0, 0.0]]), torch.tensor([1]))
    tensor(1000.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


def _with_reduction_number(
    function: Callable,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    name = ("none", "mean", "sum")[reduction]
    return function(input, target, weight, reduction=name, pos_weight=pos_weight)


def _function(**more: Any) -> Function:
    return Function(autocast="float32", **more)


CONCEPT = Concept(
    title="how far a prediction is from its target",
    home=F,
    functions={
        "mse_loss": _function(),
        "l1_loss": _function(),
        "smooth_l1_loss": _function(),
        "huber_loss": _function(),
        "binary_cross_entropy": _function(),
        "binary_cross_entropy_with_logits": Function(
            also={torch.binary_cross_entropy_with_logits: _with_reduction_number}, autocast="float32"
        ),
        "nll_loss": _function(),
        "cross_entropy": _function(),
    },
    classes={
        MSELoss: "mse_loss",
        L1Loss: "l1_loss",
        SmoothL1Loss: "smooth_l1_loss",
        HuberLoss: "huber_loss",
        BCELoss: "binary_cross_entropy",
        BCEWithLogitsLoss: "binary_cross_entropy_with_logits",
        NLLLoss: "nll_loss",
        CrossEntropyLoss: "cross_entropy",
    },
)
