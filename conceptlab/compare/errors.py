r"""How exact one step is: each variant starts from the reference's state and is held against float64.

Curves of whole trainings cannot be judged by their ends, since training amplifies every rounding. One step can. For a
few steps $k$, all variants and an *oracle*, the reference in float64, are put into the reference's state before step
$k$, and do that step. With $z$ the gradients, the move of the weights, or the model's answers in evaluation,

$$e_k = \frac{\lVert z - z_{64} \rVert}{\lVert z_{64} \rVert}, \qquad
  \text{error} = \operatorname{median}_k e_k, \qquad
  \text{ratio} = \frac{\text{error}}{\max(\text{error of the reference}, \varepsilon)}.$$

The median, because now and then a rounding turns a tie in a max-pooling or a ReLU's kink, on either side. A tensor in
which the reference itself has lost most digits (a bias before a batch normalization, whose gradient is 0) says nothing
and is left out.
"""

from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from conceptlab.compare.subject import Subject

STEPS = 8


def errors(subjects: Sequence[Subject], oracle: Subject) -> list[dict[str, float]]:
    """For each subject, the reference first: its errors of ``gradient``, ``evaluation`` and ``update``.

    What cannot be told is missing. The reference has trained so many steps afterwards.
    """
    reference = subjects[0]
    found: list[dict[str, list[float]]] = [{} for _ in subjects]
    for index in range(STEPS):
        state = reference.state()
        exact = oracle.step_from(state, index)
        steps = [subject.step_from(state, index) for subject in subjects]
        for quantity, tensors in exact.items():
            telling = _telling(steps[0][quantity], tensors, reference.eps)
            for subject, step in zip(found, steps, strict=True):
                if any(telling):
                    subject.setdefault(quantity, []).append(_error(step[quantity], tensors, telling))
    return [{quantity: median(values) for quantity, values in subject.items()} for subject in found]


def batches_apart(subject: Subject, reference: Subject) -> float:
    """The largest relative difference between the batches of two subjects."""
    pairs = zip(subject.batches, reference.batches, strict=True)
    return max(
        _error([a.cpu().double()], [b.cpu().double()], [True])
        for ours, theirs in pairs
        for a, b in zip(ours, theirs, strict=True)
    )


def _telling(reference: Sequence[Tensor], exact: Sequence[Tensor], eps: float) -> list[bool]:
    """Which tensors have digits to compare."""
    return [bool((a - b).norm() < eps**0.25 * b.norm()) for a, b in zip(reference, exact, strict=True)]


def _error(tensors: Sequence[Tensor], exact: Sequence[Tensor], telling: Sequence[bool]) -> float:
    pairs = [(a, b) for a, b, tells in zip(tensors, exact, telling, strict=True) if tells]
    apart = torch.cat([(a - b).flatten() for a, b in pairs]).norm()
    size = torch.cat([b.flatten() for _, b in pairs]).norm()
    return (apart / size).item() if size else float(apart)
