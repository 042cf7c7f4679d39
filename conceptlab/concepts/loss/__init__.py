r"""Losses: one number that says how far a prediction is from its target.

With the difference $d = x - t$ of ``input`` and ``target``, element by element:

| function | loss of an element |
|---|---|
| ``mse_loss`` | $d^2$ |
| ``l1_loss`` | $\|d\|$ |
| ``huber_loss`` | $d^2 / 2$ where $\|d\| <$ ``delta``, else ``delta`` $(\|d\| -$ ``delta`` $/ 2)$ |
| ``smooth_l1_loss`` | ``huber_loss`` with ``delta`` = ``beta``, divided by ``beta`` |
| ``binary_cross_entropy`` | $-w (t \log x + (1 - t) \log(1 - x))$ for a probability $x$; logarithms from −100 on |
| ``binary_cross_entropy_with_logits`` | $-w (p\, t \log \sigma(x) + (1 - t) \log \sigma(-x))$; $p$ is ``pos_weight`` |

and, for a sample $n$ with scores $x_{nc}$ of classes $c$ and the class $t_n$:

| function | loss of a sample |
|---|---|
| ``nll_loss`` | $-w_{t_n} x_{n t_n}$, where $x$ are logarithms of probabilities |
| ``cross_entropy`` | ``nll_loss`` of $\log \operatorname{softmax}_c x_{nc}$ |

Between distributions, and between vectors that belong together or do not:

| function | loss |
|---|---|
| ``kl_div`` | $s (\log s - x)$ of an element, where $x$ are logarithms of probabilities |
| ``cosine_embedding_loss`` | $1 - c$ of a pair whose ``target`` is 1, $\max(0, c - m)$ where it is −1 |
| ``triplet_margin_loss`` | $\max(0, d(a, p) - d(a, n) + m)$ |

$s$ is the target's share, or its exponential if ``log_target``; $c$ the cosine of the angle between ``input1`` and
``input2``; $m$ the ``margin`` by which an ``anchor`` $a$ shall be nearer to a ``positive`` $p$ than to a ``negative``
$n$, $d$ the ``pairwise_distance`` of order ``p``. With ``swap`` the smaller of $d(a, n)$ and $d(p, n)$ counts.

Classes are axis 1, (N, C, …), or axis 0 of a vector; ``target`` has the other axes. Samples whose target is
``ignore_index`` do not count. ``label_smoothing`` $= \varepsilon$ gives each class $\varepsilon / C$ of the target's
share. ``cross_entropy`` also takes shares $t_{nc}$, of the input's shape: $-\sum_c w_c t_{nc} \log p_{nc}$.

``reduction``: ``"none"``, ``"sum"``, or ``"mean"``, which divides by the number of elements, of ``nll_loss`` and
``cross_entropy`` by the sum of the samples' weights $w_{t_n}$. A divergence is the sum over the support, averaged over
the samples only: ``"batchmean"`` of ``kl_div``. Training and evaluation are the same. Half precision is
computed in float32; autocast computes all losses in float32.

Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, chapters 3 and 4; Huber, *Robust estimation of a
location parameter*, 1964; Szegedy et al., *Rethinking the Inception architecture*, 2016 (label smoothing);
Schroff et al., *FaceNet*, 2015 (triplets); Balntas et al., *Learning local feature descriptors with triplets*, 2016
(``swap``).
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered, message
from conceptlab.core.autocast import Policy


class MSELoss(Tiered, torch.nn.MSELoss):
    """Mean squared error.

    >>> MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Tiered, torch.nn.L1Loss):
    """Mean absolute error.

    >>> L1Loss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Tiered, torch.nn.SmoothL1Loss):
    """The absolute error, rounded off where it is below ``beta``.

    >>> SmoothL1Loss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(0.7500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Tiered, torch.nn.HuberLoss):
    """Half the squared error, that goes on as a straight line from ``delta``.

    >>> HuberLoss(delta=0.5)(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(0.4375)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(Tiered, torch.nn.CrossEntropyLoss):
    """The surprise at the right class, $-\\log p$, from the scores.

    >>> CrossEntropyLoss()(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(Tiered, torch.nn.NLLLoss):
    """The surprise at the right class, from logarithms of probabilities.

    >>> NLLLoss()(torch.tensor([[-3.0, -0.5]]), torch.tensor([1]))
    tensor(0.5000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(Tiered, torch.nn.BCELoss):
    """The surprise at a yes or no, from the probability of yes.

    >>> BCELoss()(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Tiered, torch.nn.BCEWithLogitsLoss):
    """The surprise at a yes or no, from the score of yes.

    >>> BCEWithLogitsLoss()(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(Tiered, torch.nn.KLDivLoss):
    """The divergence of a distribution from the target's, $\\sum_i s_i \\log (s_i / p_i)$, from logarithms of its own.

    >>> KLDivLoss(reduction="batchmean")(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return self.ops.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class CosineEmbeddingLoss(Tiered, torch.nn.CosineEmbeddingLoss):
    """One minus the cosine for pairs that belong together; for others, how much the cosine exceeds ``margin``.

    >>> CosineEmbeddingLoss()(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([1]))
    tensor(0.4000)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return self.ops.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Tiered, torch.nn.TripletMarginLoss):
    """How much is missing until the anchor is nearer to the positive than to the negative, by ``margin``.

    >>> TripletMarginLoss()(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[1.5, 0.0]]))
    tensor(0.5000)
    """

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return self.ops.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


_REDUCTIONS = ("none", "mean", "sum")


def _with_number(
    function: Callable,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """``torch.binary_cross_entropy_with_logits``, which counts the reductions."""
    return function(input, target, weight, reduction=_REDUCTIONS[reduction], pos_weight=pos_weight)


def _divergence_with_number(
    function: Callable, input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False
) -> Tensor:
    """``torch.kl_div``, which does so, too, and does not warn of the mean."""
    losses = function(input, target, reduction="none", log_target=log_target)
    return losses if reduction == 0 else losses.mean() if reduction == 1 else losses.sum()


def _pairs_with_number(
    function: Callable, input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """``torch.cosine_embedding_loss``."""
    return function(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def _triplets_with_number(
    function: Callable,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Tensor:
    """``torch.triplet_margin_loss``."""
    return function(anchor, positive, negative, margin, p, eps, swap, reduction=_REDUCTIONS[reduction])


def _of_squares(*args: object, weight: Tensor | None = None, **kwargs: object) -> Policy | Mapping[str, Policy]:
    """torch has a policy for the plain loss; a weighted one it makes of a power, which has one on CUDA alone."""
    return "float32" if weight is None and not args[5:] else {"cuda": "float32"}


def _of_distances(
    *args: object, reduction: str = "mean", weight: Tensor | None = None, **kwargs: object
) -> Policy | Mapping[str, Policy] | None:
    """The same with a magnitude, which has none; on CUDA the sum over it has."""
    if weight is None and not args[5:]:
        return "float32"
    return None if "none" in (reduction, *args[4:5]) else {"cuda": "float32"}


def _unsafe(input: Tensor, target: Tensor, *args: object, **kwargs: object) -> Mapping[str, Policy] | None:
    """torch's refusal: half precision cannot tell a probability from 1 where float32 can."""
    if input.device.type == "cuda":
        raise RuntimeError(
            message(
                "binary_cross_entropy, which is unsafe to autocast",
                expected="float32, outside of torch.autocast",
                received="a call inside it",
                remedy="Use binary_cross_entropy_with_logits on the scores.",
            )
        )
    return {"cpu": "float32"}


CONCEPT = Concept(
    title="losses",
    home=F,
    functions={
        "mse_loss": Function(autocast=_of_squares),
        "l1_loss": Function(autocast=_of_distances),
        "smooth_l1_loss": Function(autocast="float32"),
        "huber_loss": Function(autocast="float32"),
        "cross_entropy": Function(autocast="float32"),
        "nll_loss": Function(autocast="float32"),
        "binary_cross_entropy": Function(autocast=_unsafe),
        "binary_cross_entropy_with_logits": Function(
            also={torch.binary_cross_entropy_with_logits: _with_number}, autocast="float32"
        ),
        "kl_div": Function(also={torch.kl_div: _divergence_with_number}, autocast="float32"),
        "cosine_embedding_loss": Function(also={torch.cosine_embedding_loss: _pairs_with_number}, autocast="float32"),
        "triplet_margin_loss": Function(also={torch.triplet_margin_loss: _triplets_with_number}, autocast="float32"),
    },
    classes={
        MSELoss: "mse_loss",
        L1Loss: "l1_loss",
        SmoothL1Loss: "smooth_l1_loss",
        HuberLoss: "huber_loss",
        CrossEntropyLoss: "cross_entropy",
        NLLLoss: "nll_loss",
        BCELoss: "binary_cross_entropy",
        BCEWithLogitsLoss: "binary_cross_entropy_with_logits",
        KLDivLoss: "kl_div",
        CosineEmbeddingLoss: "cosine_embedding_loss",
        TripletMarginLoss: "triplet_margin_loss",
    },
)
