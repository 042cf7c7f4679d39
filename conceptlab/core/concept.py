"""What a concept and a part are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from conceptlab.core.autocast import Autocast

Family = Literal["nn", "optim", "optim.lr_scheduler", "transforms"]

TORCH_HOME: dict[Family, str] = {
    "nn": "torch.nn",
    "optim": "torch.optim",
    "optim.lr_scheduler": "torch.optim.lr_scheduler",
    "transforms": "torchvision.transforms.v2",
}
"""Where torch keeps the classes of each family."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """What a concept's page says of one function, beyond its name.

    Attributes:
        builtin: torch's callable of that name; by default the one in the concept's ``home``.
        also: torch's other spellings of it (``torch.relu``, ``Tensor.relu_`` …), each with an adapter, or None where
            the arguments agree. An adapter receives the implementation and then the spelling's own arguments.
        autocast: what ``torch.autocast`` does to its inputs.
    """

    builtin: Callable | None = None
    also: Mapping[Callable, Callable | None] = field(default_factory=dict)
    autocast: Autocast = None


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One idea a reader would look up, and the parts that come with it. A folder's page ends in one of these.

    Attributes:
        title: the idea in a few words.
        home: torch's module that holds the functions. What torch lacks is at home in the concept's own ``naive``, which
            holds functions and plain layers as torch would have them: they stand in torch's place, and there is no
            tier ``builtin``.
        functions: the functions that every tier of the concept writes, by torch's name. One that is no part has a name
            that begins with an underscore, and only the concept's layers reach it.
        classes: the parts that are classes, each with the names of the functions that it is made on.
        inside: for each class that has other layers inside, the names of theirs; see `Composed`.
        family: which of torch's namespaces the classes belong to.
    """

    title: str
    home: ModuleType
    functions: Mapping[str, Function]
    classes: Mapping[type, str | tuple[str, ...]] = field(default_factory=dict)
    inside: Mapping[type, tuple[str, ...]] = field(default_factory=dict)
    family: Family = "nn"

    def __post_init__(self) -> None:
        for cls, needs in self.classes.items():
            cls.family = self.family  # type: ignore[attr-defined]
            cls.needs = (needs,) if isinstance(needs, str) else tuple(needs)  # type: ignore[attr-defined]

    def builtin(self, name: str) -> Callable:
        """torch's own implementation of one of the functions, or what stands in its place."""
        return self.functions[name].builtin or getattr(self.home, name)


@dataclass(frozen=True, eq=False)
class Part:
    """A torch name that a concept provides, and what can stand for it.

    Attributes:
        name: torch's name, ``Conv2d`` or ``conv2d``.
        concept: the name of its concept.
        home: torch's module that offers it, ``torch.nn.functional`` for instance.
        public_home: conceptlab's module that offers it, ``conceptlab.nn.functional``.
        torch: torch's own class or function; of what torch lacks, the definition's.
        tiers: what each tier has for it, ``builtin`` included: a function; for a class, the one class of all tiers.
    """

    name: str
    concept: str
    home: str
    public_home: str
    torch: Any
    tiers: Mapping[str, Any]

    @property
    def is_class(self) -> bool:
        """Whether it is a layer, an optimizer, a scheduler or a transform, rather than a function."""
        return isinstance(self.torch, type)
