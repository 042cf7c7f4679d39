"""conceptlab: every idea of a deep-learning course by hand, proven equal to PyTorch's own, exchangeable part by part.

>>> import torch, conceptlab as cl
>>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
>>> report = cl.swap(model, "handmade")
>>> model
Sequential(
  (0): Linear(in_features=4, out_features=3, bias=True, tier=handmade)
  (1): ReLU(tier=handmade)
)
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from conceptlab import lightning, nn, optim, transforms
    from conceptlab.core import Parts, registry
    from conceptlab.swapping import audit, swap, use
    from conceptlab.verify.parting import first_difference

# Imported at first use: `conceptlab --help` should not wait for torch.
_HOME = {
    "Parts": "conceptlab.core",
    "audit": "conceptlab.swapping.audit",
    "first_difference": "conceptlab.verify.parting",
    "registry": "conceptlab.core",
    "swap": "conceptlab.swapping",
    "use": "conceptlab.swapping",
}
_MODULES = ("lightning", "nn", "optim", "transforms")

__all__ = ["Parts", "audit", "first_difference", "lightning", "nn", "optim", "registry", "swap", "transforms", "use"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"conceptlab.{name}")
    raise AttributeError(f"module 'conceptlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
