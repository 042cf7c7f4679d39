r"""Clipping: gradients that are too large are made smaller, in place, before the optimizer takes its step.

Where a loss has a cliff, one gradient is large enough to throw away what a thousand steps have learned. All gradients
$g_i$ of all parameters, as one vector, have the length

$$ N = \Bigl( \sum_i |g_i|^p \Bigr)^{1/p}, \qquad g \leftarrow \min\Bigl( 1, \frac{c}{N + 10^{-6}} \Bigr) \, g $$

so that $g$ keeps its direction and has at most the length $c$ = ``max_norm``. ``clip_grad_norm_`` does so and returns
$N$, of order $p$ = ``norm_type``: for $\infty$ the largest $|g_i|$, for $-\infty$ the smallest, for 0 the number of
gradients that are not all 0. Its two halves are ``get_total_norm`` of any tensors, and ``clip_grads_with_norm_`` for an
$N$ that is given.
``clip_grad_value_`` limits each number by itself to $\pm$ ``clip_value``, which changes the direction, too.

Shapes: any. ``parameters`` and ``tensors`` are one tensor or several, also a generator; parameters without a gradient
do not count. $N$ has no axis and lies on the first one's device. Nothing is recorded for a derivative.

Precision: of half precision the norm is computed in float32, and rounded once, when it is returned. An infinite or
missing $N$ makes all gradients 0 or NaN; ``error_if_nonfinite`` raises instead, and the host waits for the device.
``foreach`` only chooses how: all gradients of a kind in one call, or one after the other.

torch's own are no functions of the kind that `use` hears: call them from ``conceptlab.nn.utils``. Lightning's Trainer
clips with the parts that an experiment, or the callback `SwapParts`, names.

Source: Pascanu, Mikolov, Bengio, *On the difficulty of training recurrent neural networks*, 2013.
"""

import warnings
from collections.abc import Callable, Iterable

import torch.nn.utils
from torch import Tensor

from conceptlab.core import Concept, Function


def _with_warning(
    function: Callable,
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """``clip_grad_norm``, its older name."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=3,
    )
    return function(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


CONCEPT = Concept(
    title="gradients of limited size",
    home=torch.nn.utils,
    functions={
        "get_total_norm": Function(),
        "clip_grads_with_norm_": Function(),
        "clip_grad_norm_": Function(also={torch.nn.utils.clip_grad_norm: _with_warning}),
        "clip_grad_value_": Function(),
    },
)
