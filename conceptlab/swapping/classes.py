"""Which part a class is, and how an object gets another class."""

from typing import Any

from conceptlab.core import Choice, Tiered
from conceptlab.swapping.report import SwapReport

# modules whose code makes a class around that of an object, which stays what it is: parametrized, sharded, and those
# of swap(functions=True)
_GENERATORS = (
    "torch.nn.utils.parametrize",
    "torch.distributed.fsdp._fully_shard",
    "torch.distributed._composable",
    "conceptlab.swapping.answering",
)


def core_class(cls: type) -> type:
    """The class itself, or the one that torch has generated ``cls`` around."""
    while cls.__module__.startswith(_GENERATORS) and cls.__bases__ != (object,):
        cls = cls.__bases__[-1]
    return cls


def based_on(cls: type, old: type, new: type) -> Any:
    """``cls`` with ``new`` in the place of ``old``: ``new`` itself, or the generated class made again around it."""
    if old is new:
        return cls
    if cls is old:
        return new
    if cls.__module__.startswith(_GENERATORS) and issubclass(cls, old):
        body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
        return type(cls)(cls.__name__, tuple(based_on(base, old, new) for base in cls.__bases__), body)  # type: ignore[misc]
    return cls


def implementation_of(target: object) -> str:
    """The tier that an object computes with."""
    ops = vars(target).get("ops")
    return "builtin" if ops is None else ops.tier


def is_as_chosen(target: object, cls: type, choice: Choice) -> bool:
    """Whether ``target``, which is or will be of class ``cls``, already is what was chosen."""
    if choice.tier == "builtin":
        return "ops" not in vars(target)
    return cls is choice.implementation and (choice.tier is None or vars(target)["ops"].tier == choice.tier)


def adds_no_constructor(cls: type, torch_class: type) -> bool:
    """Whether an object of torch's class can become one of ``cls``, its subclass, without being built."""
    if not issubclass(cls, torch_class):
        return False
    own = cls.__mro__[: cls.__mro__.index(torch_class)]
    return not any(base is not Tiered and {"__init__", "__new__", "__slots__"} & vars(base).keys() for base in own)


def assign(target: Any, cls: type, tier: str | None, report: SwapReport) -> None:
    """Give ``target`` the class ``cls``, and the tier if that is one of conceptlab's."""
    old, ops = core_class(type(target)), vars(target).get("ops")

    def undo() -> None:
        # whatever was generated around the class since (parametrized, sharded) stays
        _become(target, based_on(type(target), cls, old))
        if ops is not None:
            target.__dict__["ops"] = ops

    report.on_undo(undo)
    _become(target, based_on(type(target), old, cls))
    if isinstance(target, Tiered):
        # the first state of a user's subclass of one of conceptlab's classes is the default of its constructor
        target.tier = tier or "handmade"


def _become(target: Any, cls: type) -> None:
    """Give ``target`` the class ``cls``, and no tier."""
    target.__class__ = cls
    # set before it is deleted, so that the attributes change in any case: what was compiled by torch 2.11 looks at the
    # class of an object again only if they have
    target.__dict__["ops"] = None
    del target.__dict__["ops"]
