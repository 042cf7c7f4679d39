"""The mutants of a file: where an operator finds something to change, one edit each."""

import ast
import copy
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from conceptlab.verify.mutants.operators import OPERATORS, changed, detach, gradient, name_of

TEXTS = {"message", "warn", "refuse", "_refuse", "_refusal", "_wrong"}
"""Functions whose arguments are texts for a reader."""

_UNTOUCHED = {"annotation", "returns", "decorator_list", "bases"}
_SHOWN_WHOLE = ast.expr | ast.keyword | ast.Assign | ast.AugAssign | ast.Return
_RECORDED_BY_NOBODY = {"forward", "setup_context"}
"""Parts of a rule that run without a graph: there is nothing to detach from."""


@dataclass(frozen=True)
class Mutant:
    """One edit of one file.

    Attributes:
        file: the file, as it is called in reports.
        line: where the edit is.
        place: the function around it, ``Class.method``; empty outside of all functions.
        operator: what kind of edit.
        before: the code that is changed.
        after: what it becomes.
        number: 1, or which of several equal edits in one place.
    """

    file: str
    line: int
    place: str
    operator: str
    before: str
    after: str
    number: int = 1
    edit: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.operator} {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """A name that stays when lines are added elsewhere in the file."""
        again = f" ({self.number})" if self.number > 1 else ""
        return f"{self.place} {self.operator} {self.before} -> {self.after}{again}".lstrip()

    def tree(self) -> ast.Module:
        """The file's syntax tree with the edit."""
        return self.edit.applied()


@dataclass(frozen=True)
class _Edit:
    module: ast.Module
    parent: ast.AST
    field: str
    index: int | None
    new: ast.AST

    def applied(self) -> ast.Module:
        old = self._put(self.new)
        try:
            return ast.fix_missing_locations(copy.deepcopy(self.module))
        finally:
            self._put(old)

    def _put(self, new: Any) -> Any:
        value = getattr(self.parent, self.field)
        if self.index is None:
            setattr(self.parent, self.field, new)
            return value
        value[self.index], old = new, value[self.index]
        return old


def mutants_of(source: str, file: str, speed: Collection[str] = ()) -> list[Mutant]:
    """All mutants of a file, in the order of its lines.

    Args:
        source: the file's text.
        file: what to call it.
        speed: expressions, as Python writes them, that choose how fast something is, and are left alone.

    >>> [str(mutant) for mutant in mutants_of("def f(x):\\n    return x > 0", "f.py")]
    ['f.py:2 comparison x > 0 -> x >= 0', 'f.py:2 comparison x > 0 -> x <= 0', \
'f.py:2 constant x > 0 -> x > 1', 'f.py:2 constant x > 0 -> x > -1']
    """
    module = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for place, node, edit, operator in _edits(module, module, "", frozenset(speed)):
        before, after = _described(node, edit)
        if before == after:
            continue
        mutant = Mutant(file, node.lineno, place, operator, before, after, edit=edit)
        seen[mutant.key] += 1
        number = seen[mutant.key]
        found.append(Mutant(file, node.lineno, place, operator, before, after, number, edit))
    return sorted(found, key=lambda mutant: mutant.line)


def _edits(module: ast.Module, parent: ast.AST, place: str, speed: frozenset[str]) -> Iterator[tuple]:
    for name, value in ast.iter_fields(parent):
        if name in _UNTOUCHED:
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_left_alone(node, speed):
                continue
            is_code = isinstance(node, ast.expr | ast.stmt) and not _is_text(node)
            for operator in OPERATORS if is_code or isinstance(node, ast.Raise) else ():
                for new in operator(node) if _applies(operator, place) else ():
                    yield place, node, _Edit(module, parent, name, index, new), operator.__name__
            if not _is_text(node):
                yield from _edits(module, node, _place(node, place), speed)


def _place(node: ast.AST, place: str) -> str:
    """The outermost function, with its class."""
    is_function = "." in place or (place and not place.lstrip("_")[:1].isupper())
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_function:
        return f"{place}.{node.name}".lstrip(".")
    return place


def _applies(operator: Any, place: str) -> bool:
    name = place.rpartition(".")[2]
    if operator is detach:
        return bool(name) and name not in _RECORDED_BY_NOBODY
    return operator is not gradient or name == "backward"


def _is_left_alone(node: ast.AST, speed: frozenset[str]) -> bool:
    """Imports, lists of names, docstrings, what only asserts (``strict``, of zip), and what chooses a speed."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return True
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True
    return isinstance(node, ast.expr | ast.stmt) and bool(speed) and ast.unparse(node) in speed


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Call) and name_of(node.func) in TEXTS


def _described(node: ast.AST, edit: _Edit) -> tuple[str, str]:
    """The code before and after; of a single name or number with what stands around it."""
    if isinstance(node, ast.Constant) and isinstance(edit.parent, _SHOWN_WHOLE):
        value = getattr(edit.parent, edit.field)
        new = edit.new if edit.index is None else [*value[: edit.index], edit.new, *value[edit.index + 1 :]]
        return _text(edit.parent), _text(changed(edit.parent, **{edit.field: new}))
    return _text(node), _text(edit.new)


def _text(node: ast.AST) -> str:
    lines = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).splitlines()
    text = lines[0] if len(lines) == 1 else f"{lines[0]} …"
    if isinstance(node, ast.Raise):
        text = text.partition("(")[0]
    return text
