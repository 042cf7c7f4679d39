"""Classes that are generated around another one, and objects of them that can nevertheless be copied and saved."""

from collections.abc import Callable
from typing import Any


class Generated:
    """Mixin of a generated class, whose bases are (this or a subclass, the class it was made around, …).

    Pickle cannot find such a class by its name. So an object is restored as one of the original class, and its class is
    generated again.

    Attributes:
        recipe: the function that makes the class out of the original one, and its further arguments.
    """

    recipe: tuple[Callable[..., type], tuple]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        cls = type(self)
        reduced: Any = super().__reduce_ex__(protocol)
        function, arguments, *rest = reduced
        arguments = tuple(cls.__bases__[1] if argument is cls else argument for argument in arguments)
        return _restored, (function, arguments, *cls.recipe), *rest


def _restored(function: Callable, arguments: tuple, make: Callable[..., type], more: tuple) -> Any:
    target = function(*arguments)
    target.__class__ = make(type(target), *more)
    return target
