"""What every handmade layer shares: a tier, which it can be given and can change."""

import inspect
from typing import Any, ClassVar

from conceptlab.core.namespace import Namespace, namespace


class Tiered:
    """Mixin of every part that is a class; it stands before torch's class of the same name.

    The torch class keeps the state and the constructor; the part writes the arithmetic, in terms of ``self.ops``, the
    functions of its tier. ``tier`` can be set at any time::

        class ReLU(Tiered, torch.nn.ReLU):
            def forward(self, input):
                return self.ops.relu(input, self.inplace)
    """

    ops: Namespace
    family: ClassVar[str] = "nn"
    needs: ClassVar[tuple[str, ...]] = ()
    """Names of the functions that the class is made on; set by its `Concept`."""

    def __init__(self, *args: Any, tier: str = "handmade", **kwargs: Any) -> None:
        # Before torch's constructor, which draws the first weights by `reset_parameters`, an affair of the tier.
        self.tier = tier
        super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            cls.__signature__ = _with_tier(inspect.signature(_constructor_after(cls)))  # type: ignore[attr-defined]

    @property
    def tier(self) -> str:
        """The name of the tier whose functions do the arithmetic."""
        return self.ops.tier

    @tier.setter
    def tier(self, tier: str) -> None:
        # bound here once: looking a tier up inside `forward` breaks torch.compile(fullgraph=True)
        self.ops = namespace(self.family, tier, needs=self.needs, where=f"{type(self).__name__}(tier={tier!r})")

    def extra_repr(self) -> str:
        """torch's, and the tier."""
        own = super().extra_repr()  # type: ignore[misc]
        return f"{own}, tier={self.tier}" if own else f"tier={self.tier}"


def _constructor_after(cls: type) -> Any:
    following = cls.__mro__[cls.__mro__.index(Tiered) + 1 :]
    return next(base.__init__ for base in following if "__init__" in base.__dict__)  # type: ignore[misc]


def _with_tier(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())[1:]
    tier = inspect.Parameter("tier", inspect.Parameter.KEYWORD_ONLY, default="handmade", annotation=str)
    at = len(parameters) - any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    return signature.replace(parameters=[*parameters[:at], tier, *parameters[at:]])
