r"""Normalization: give activations mean 0 and variance 1, then let the network choose a scale and a shift.

What the kinds differ in is the set of values that share one mean and one variance.

**Batch normalization** takes them over everything but the channel: in a batch of images, all pixels of all images.
With $N$ values in channel $c$,

$$ \mu_c = \frac1N \sum_n x_{nc}, \qquad
   \sigma^2_c = \frac1N \sum_n (x_{nc} - \mu_c)^2, \qquad
   y_{nc} = \frac{x_{nc} - \mu_c}{\sqrt{\sigma^2_c + \varepsilon}}\, \gamma_c + \beta_c $$

| symbol | argument | |
|---|---|---|
| $x$ | ``input`` | (B, C, \*); $N$ is the product of B and \* |
| $\gamma, \beta$ | ``weight``, ``bias`` | (C), learned; None stands for 1 and 0 |
| $\varepsilon$ | ``eps`` | keeps the root away from 0 |
| $m$ | ``momentum`` | the weight of the newest batch in the running statistics |
| $r_\mu, r_{\sigma^2}$ | ``running_mean``, ``running_var`` | (C), the running statistics |

The result has the shape and the dtype of ``input``.

Training: $\mu$ and $\sigma^2$ are the batch's, and the gradient flows through them. The running statistics follow, in
place, outside of the graph:

$$ r_\mu \leftarrow (1 - m)\, r_\mu + m\, \mu, \qquad
   r_{\sigma^2} \leftarrow (1 - m)\, r_{\sigma^2} + m\, \tfrac{N}{N - 1}\, \sigma^2 $$

$N / (N - 1)$ makes the estimate unbiased; the variance that divides has no such factor. A layer with ``momentum=None``
takes $m = 1 / k$ at its batch number $k$, which makes them plain averages over the batches. Evaluation: the running
statistics take the place of $\mu$ and $\sigma^2$ and are constants, so $y$ is a line in $x$. Without running statistics
(``track_running_stats=False``) evaluation uses the batch, as training does.

Precision: statistics are computed in float32 or better, also for half-precision inputs, whose ``weight``, ``bias`` and
running statistics may be in float32. Autocast leaves the inputs alone.

Sources: Ioffe, Szegedy, *Batch normalization: accelerating deep network training by reducing internal covariate shift*,
2015, https://arxiv.org/abs/1502.03167.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class _BatchNorm(Tiered):
    """What the three have in common; they differ in the number of axes that they accept."""

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.affine:
            self.ops.ones_(self.weight)
            if self.bias is not None:
                self.ops.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        if self.training and not self.track_running_stats:
            running_mean = running_var = None  # there may be some, of an earlier time; they stay as they are
        else:
            running_mean, running_var = self.running_mean, self.running_var
        from_batch = self.training or (running_mean is None and running_var is None)
        momentum = 0.0 if momentum is None else momentum
        return self.ops.batch_norm(
            input, running_mean, running_var, self.weight, self.bias, from_batch, momentum, self.eps
        )


class BatchNorm1d(_BatchNorm, torch.nn.BatchNorm1d):
    """Batch normalization of feature vectors (B, C) or sequences (B, C, T).

    >>> BatchNorm1d(1)(torch.tensor([[1.0], [3.0]])).detach()
    tensor([[-1.0000],
            [ 1.0000]])
    """


class BatchNorm2d(_BatchNorm, torch.nn.BatchNorm2d):
    """Batch normalization of images (B, C, H, W).

    >>> norm = BatchNorm2d(3, momentum=0.5)
    >>> norm(torch.full((2, 3, 4, 4), 6.0)).shape
    torch.Size([2, 3, 4, 4])
    >>> norm.running_mean
    tensor([3., 3., 3.])
    """


class BatchNorm3d(_BatchNorm, torch.nn.BatchNorm3d):
    """Batch normalization of volumes (B, C, D, H, W).

    >>> BatchNorm3d(2).eval()(torch.ones(1, 2, 4, 4, 4)).shape
    torch.Size([1, 2, 4, 4, 4])
    """


def _torch_batch_norm(
    function: Callable,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    return function(input, running_mean, running_var, weight, bias, training, momentum, eps)


CONCEPT = Concept(
    title="normalization",
    home=F,
    functions={"batch_norm": Function(also={torch.batch_norm: _torch_batch_norm})},
    classes={
        BatchNorm1d: ("batch_norm", "ones_", "zeros_"),
        BatchNorm2d: ("batch_norm", "ones_", "zeros_"),
        BatchNorm3d: ("batch_norm", "ones_", "zeros_"),
    },
)
