r"""Normalization: give activations mean 0 and variance 1, then let the network choose a scale and a shift.

$$ y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}\, \gamma + \beta, \qquad
   \mu = \frac1N \sum_n x_n, \qquad \sigma^2 = \frac1N \sum_n (x_n - \mu)^2 $$

What the kinds differ in is the set of $N$ values that share one $\mu$ and one $\sigma^2$. Of images (B, C, H, W):

| kind | values that share | number of pairs $\mu, \sigma^2$ | $\gamma, \beta$ |
|---|---|---|---|
| batch | a channel, over all samples: B · H · W | C | one a channel |
| layer | the last axes of a sample, for instance C · H · W | B | one for each of these values |
| group | a group of channels of a sample: C / G · H · W | B · G | one a channel |
| instance | a channel of a sample: H · W | B · C | one a channel |

| symbol | argument | |
|---|---|---|
| $x$ | ``input`` | (B, C, \*), a layer of instances also (C, \*); layer, RMS: (\*, ``normalized_shape``) |
| $\gamma, \beta$ | ``weight``, ``bias`` | learned; None stands for 1 and 0 |
| $\varepsilon$ | ``eps`` | keeps the root away from 0 |
| G | ``num_groups`` | divides C |
| $m$ | ``momentum`` | the weight of the newest batch in the running statistics |
| $r_\mu, r_{\sigma^2}$ | ``running_mean``, ``running_var`` | (C), the running statistics |

The result has the shape and the dtype of ``input``.

**Batch normalization.** Training: $\mu$ and $\sigma^2$ are the batch's, and the gradient flows through them. The
running statistics follow, in place, outside of the graph:

$$ r_\mu \leftarrow (1 - m)\, r_\mu + m\, \mu, \qquad
   r_{\sigma^2} \leftarrow (1 - m)\, r_{\sigma^2} + m\, \tfrac{N}{N - 1}\, \sigma^2 $$

$N / (N - 1)$ makes the estimate unbiased; the variance that divides has no such factor. A layer with ``momentum=None``
takes $m = 1 / k$ at its batch number $k$, which makes them plain averages over the batches. Evaluation: the running
statistics take the place of $\mu$ and $\sigma^2$ and are constants, so $y$ is a line in $x$. Without running statistics
(``track_running_stats=False``) evaluation uses the batch, as training does.

With ``SyncBatchNorm`` the batch is that of all processes which train together: $N$, $\mu$ and $\sigma^2$ are theirs in
common, while each keeps its own samples.

**Layer normalization** looks at one sample, or one word, alone: training and evaluation are the same, and the size of
the batch does not matter. Its $\gamma$ and $\beta$ have the shape ``normalized_shape``.

**RMS normalization** leaves out $\mu$ and $\beta$, which cost time and are hardly missed:

$$ y = \frac{x}{\sqrt{\tfrac1N \sum_n x_n^2 + \varepsilon}}\, \gamma $$

``eps=None`` is the machine epsilon of the dtype in which it is computed: float32's for half precision, too.

**Group normalization** lies between: with G = 1 the values that share are those of layer normalization over (C, \*),
with G = C those of **instance normalization**. Both look at one sample alone, in training and evaluation alike; but
instance normalization can keep running statistics, averaged over the samples of a batch, and uses them in evaluation
(``use_input_stats=False``).

Two kinds know neither mean nor variance. **Local response normalization** divides each value by the strength of its
neighbours, the $n$ = ``size`` channels around its own at the same place (B, C, \*):

$$ y_c = \frac{x_c}{\left( k + \frac{\alpha}{n} \sum_{i = c - \lfloor n/2 \rfloor}^{c + \lfloor (n-1)/2 \rfloor}
   x_i^2 \right)^{\beta}} $$

**normalize** gives the vectors along the axes ``dim`` the length 1, measured by the norm of order ``p``:

$$ y = \frac{x}{\max(\lVert x \rVert_p, \varepsilon)} $$

Precision: statistics are computed in float32 or better, also for half-precision inputs, whose parameters and running
statistics may be in float32. Autocast leaves the inputs alone; on CUDA it computes layer, RMS and group normalization,
``normalize`` and local response normalization in float32, the last of images on a CPU, too.

Sources: Ioffe, Szegedy, *Batch normalization: accelerating deep network training by reducing internal covariate shift*,
2015, https://arxiv.org/abs/1502.03167; Ba, Kiros, Hinton, *Layer normalization*, 2016,
https://arxiv.org/abs/1607.06450; Zhang, Sennrich, *Root mean square layer normalization*, 2019,
https://arxiv.org/abs/1910.07467; Wu, He, *Group normalization*, 2018, https://arxiv.org/abs/1803.08494; Ulyanov,
Vedaldi, Lempitsky, *Instance normalization: the missing ingredient for fast stylization*, 2016,
https://arxiv.org/abs/1607.08022; Krizhevsky, Sutskever, Hinton, *ImageNet classification with deep convolutional neural
networks*, 2012, section 3.3 (local response).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.concepts.normalization._batch import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    SyncBatchNorm,
    torch_batch_norm,
    torch_sync_batch_norm,
)
from conceptlab.concepts.normalization._groups import (
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    torch_group_norm,
    torch_instance_norm,
)
from conceptlab.concepts.normalization._response import LocalResponseNorm
from conceptlab.concepts.normalization._rows import LayerNorm, RMSNorm, torch_layer_norm
from conceptlab.core import Concept, Function
from conceptlab.core.autocast import Policy


def _of_response(input: Tensor, *args: object, **kwargs: object) -> Policy | Mapping[str, Policy]:
    """torch makes it of an average over windows, in three dimensions for images, and of a power."""
    return {"cuda": "float32"} if input.dim() == 3 else "float32"


def _of_length(*args: object, out: Tensor | None = None, **kwargs: object) -> Mapping[str, Policy] | None:
    """torch makes it of a norm; what is written into ``out`` keeps its dtype."""
    return {"cuda": "float32"} if out is None and not args[4:] else None


_OF_ROOTS: Policy | Mapping[str, Policy] | None = (
    {"cuda": "float32"} if torch._C._dispatch_has_kernel_for_dispatch_key("aten::rms_norm", "AutocastCUDA") else None
)
"""torch 2.11 has no policy for ``rms_norm``, newer ones have: each says so of itself."""

CONCEPT = Concept(
    title="normalization",
    home=F,
    functions={
        "batch_norm": Function(also={torch.batch_norm: torch_batch_norm}),
        "_sync_batch_norm": Function(builtin=torch_sync_batch_norm),
        "layer_norm": Function(also={torch.layer_norm: torch_layer_norm}, autocast={"cuda": "float32"}),
        "rms_norm": Function(also={torch.rms_norm: None}, autocast=_OF_ROOTS),
        "group_norm": Function(also={torch.group_norm: torch_group_norm}, autocast={"cuda": "float32"}),
        "instance_norm": Function(also={torch.instance_norm: torch_instance_norm}),
        "local_response_norm": Function(autocast=_of_response),
        "normalize": Function(autocast=_of_length),
    },
    classes={
        BatchNorm1d: ("batch_norm", "ones_", "zeros_"),
        BatchNorm2d: ("batch_norm", "ones_", "zeros_"),
        BatchNorm3d: ("batch_norm", "ones_", "zeros_"),
        SyncBatchNorm: ("batch_norm", "_sync_batch_norm", "ones_", "zeros_"),
        LayerNorm: ("layer_norm", "ones_", "zeros_"),
        RMSNorm: ("rms_norm", "ones_"),
        GroupNorm: ("group_norm", "ones_", "zeros_"),
        InstanceNorm1d: ("instance_norm", "ones_", "zeros_"),
        InstanceNorm2d: ("instance_norm", "ones_", "zeros_"),
        InstanceNorm3d: ("instance_norm", "ones_", "zeros_"),
        LocalResponseNorm: "local_response_norm",
    },
)
