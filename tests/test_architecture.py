"""The rules of the house, over the syntax trees and the registry. A message says what to do instead."""

import ast
import functools
import importlib
import importlib.util
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import conceptlab
from conceptlab.core import namespace, registry
from conceptlab.core.namespace import all_tiers
from conceptlab.verify.signatures import agree, own_arguments, spelled, torch_arguments

ROOT = Path(conceptlab.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
CONCEPT_NAMES = [name for name in registry.concepts if (ROOT / "concepts" / name).is_dir()]

LEVELS = (
    ("core", "importing"),
    ("concepts",),
    ("nn", "optim", "transforms", "engine", "swapping", "models", "lightning", "stubs", "catalog", "missing"),
    ("verify", "bench", "scaffold"),
    ("configuration", "data", "tasks", "compare", "launch"),
    ("cli",),
)
"""Who may import whom: a folder itself, its neighbours and all above it in this list."""

KNOW_NO_CONCEPT = ("models", "data", "tasks")
TIER_FILE_LINES = 250
PAGE_LINES = 200
FUNCTION_LINES = 60


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything of ours that is imported anywhere in a tree."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            names = [f"{child.module}.{alias.name}" for alias in child.names]
        else:
            continue
        yield from ((child.lineno, name) for name in names if name.split(".")[0] == "conceptlab")


def folder(name: str) -> str:
    """Which part of the house a dotted name lies in; what the package itself offers is made in `swapping`."""
    within = name.split(".")[1:]
    known = {member for level in LEVELS for member in level}
    is_file = within and ((ROOT / within[0]).exists() or (ROOT / f"{within[0]}.py").exists())
    return within[0] if within and (within[0] in known or is_file) else "swapping"


def level(name: str) -> int:
    found = next((number for number, members in enumerate(LEVELS) if folder(name) in members), None)
    assert found is not None, f"{name}: give the folder '{folder(name)}' a place in LEVELS of {Path(__file__).name}"
    return found


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_imports_point_one_way(path):
    if path == ROOT / "__init__.py":
        pytest.skip("offers everything, at first use")
    own = dotted(path)
    for line, name in imported(tree(path)):
        assert level(name) <= level(own), (
            f"{path}:{line} imports {name}. {folder(own)} may import {', '.join(LEVELS[level(own)])} and what stands "
            f"below: {', '.join(member for members in LEVELS[: level(own)] for member in members)}. Move what both "
            f"need further down, or have it handed over by the caller."
        )


@pytest.mark.parametrize("path", [p for p in FILES if folder(dotted(p)) == "concepts"], ids=dotted)
def test_no_concept_imports_another(path):
    own = dotted(path).split(".")[:3]
    for line, name in imported(tree(path)):
        assert folder(name) == "core" or name.split(".")[:3] == own, (
            f"{path}:{line} imports {name}. Reach another concept's function through the tier's namespace: "
            f'`ops = declare("nn", "handmade")` in a tier file and `ops.pad(...)` where it is called; in a class '
            f"`self.ops.pad(...)`, with 'pad' among its needs."
        )


@pytest.mark.parametrize("path", [p for p in FILES if folder(dotted(p)) in KNOW_NO_CONCEPT], ids=dotted)
def test_models_data_and_tasks_know_no_concept(path):
    for line, name in imported(tree(path)):
        assert folder(name) not in ("concepts", "nn", "optim", "transforms"), (
            f"{path}:{line} imports {name}. Write it with torch's own classes: parts reach them by `swap`."
        )


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_no_assert(path):
    lines = [node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.Assert)]
    assert not lines, f"{path}:{lines}: raise an exception with a message of four parts (conceptlab.core.message)"


def test_the_command_line_imports_torch_only_where_it_needs_it():
    for node in tree(ROOT / "cli.py").body:
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        heavy = [m for m in modules if m.split(".")[0] in ("torch", "torchvision", "lightning", "hydra", "sklearn")]
        assert not heavy, f"cli.py:{node.lineno} imports {heavy}: import it inside of the command that needs it"


def code_lines(path: Path) -> int:
    """Lines that hold code: no docstrings, comments and blank lines."""
    docstrings: set[int] = set()
    for node in ast.walk(tree(path)):
        first = node.body[0] if getattr(node, "body", None) and isinstance(node.body, list) else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            docstrings |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type not in silent:
            used |= set(range(token.start[0], token.end[0] + 1))
    return len(used - docstrings)


@pytest.mark.parametrize("path", [p for p in FILES if folder(dotted(p)) == "concepts"], ids=dotted)
def test_files_of_concepts_stay_small(path):
    if path.name == "samples.py":
        pytest.skip("a list")
    is_page = path.name == "__init__.py" and path.parent.parent.name == "concepts"
    limit = PAGE_LINES if is_page else TIER_FILE_LINES
    assert code_lines(path) <= limit, f"{path} has {code_lines(path)} lines of code, at most {limit}: make it a folder"


@pytest.mark.parametrize("path", [p for p in FILES if folder(dotted(p)) == "concepts"], ids=dotted)
def test_a_function_fits_on_a_screen(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{path}:{node.lineno} {node.name} has {lines} lines: divide it"


@pytest.mark.parametrize("name", CONCEPT_NAMES)
def test_a_concept_has_its_page_and_both_tiers(name):
    package = registry.package(name)
    assert package.__doc__, f"{name}/__init__.py needs a page: idea, formula, shapes, train and eval, precision, source"
    # a concept that is only made of other concepts' layers has no arithmetic of its own, and no tiers
    for tier in ("naive", "handmade") if registry.concepts[name].functions else ():
        module = importlib.import_module(f"{package.__name__}.{tier}")
        assert module.__doc__, f"{module.__name__} needs a docstring"
        missing = [function for function in registry.concepts[name].functions if not hasattr(module, function)]
        assert not missing, f"{module.__name__} lacks {missing}, which the page lists"


CLASSES = [(cls, name) for name in CONCEPT_NAMES for cls in registry.concepts[name].classes]


def used_ops(cls: type) -> tuple[set[str], list[str]]:
    """The names in ``self.ops.name`` of a class and its own bases, and the patterns of ``getattr(self.ops, f"…")``."""
    names, patterns = set(), []
    for base in cls.__mro__:
        if not base.__module__.startswith(f"{ROOT.name}.concepts."):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self.ops", "ops"):
                names.add(node.attr)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
                where, what = node.args[:2]
                if ast.unparse(where) == "self.ops" and isinstance(what, ast.JoinedStr):
                    parts = [re.escape(v.value) if isinstance(v, ast.Constant) else ".+" for v in what.values]
                    patterns.append("".join(parts))
    return names - {"tier"}, patterns


@pytest.mark.parametrize(("cls", "concept"), CLASSES, ids=[cls.__name__ for cls, _ in CLASSES])
def test_what_a_class_uses_is_what_it_says_it_needs(cls, concept):
    names, patterns = used_ops(cls)
    needs = set(cls.needs)
    by_pattern = {need for need in needs for pattern in patterns if re.fullmatch(pattern, need)}
    assert names <= needs, f"{cls.__name__} calls self.ops.{names - needs}: add it to CONCEPT.classes of {concept}"
    unused = needs - names - by_pattern
    assert not unused, f"{cls.__name__} never calls self.ops.{unused}: take it out of CONCEPT.classes of {concept}"
    for pattern in patterns:
        assert any(re.fullmatch(pattern, need) for need in needs), f"{cls.__name__}: nothing it needs is {pattern!r}"


@pytest.mark.parametrize("path", [p for p in FILES if folder(dotted(p)) == "concepts"], ids=dotted)
def test_what_a_tier_file_reaches_through_ops_exists(path):
    declared = [
        node.value
        for node in tree(path).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ops" and isinstance(node.value, ast.Call)
    ]
    for call in declared:
        family, tier = (ast.literal_eval(argument) for argument in call.args)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ops":
                getattr(namespace(family, tier), node.attr)


@pytest.mark.parametrize(("cls", "concept"), CLASSES, ids=[cls.__name__ for cls, _ in CLASSES])
def test_a_class_is_torchs_plus_tier(cls, concept):
    theirs = registry.parts[cls.__name__].torch
    assert issubclass(cls, theirs)
    assert cls.__name__ == theirs.__name__
    assert getattr(cls, "_version", None) == getattr(theirs, "_version", None)
    ours, torchs = (dict(inspect.signature(one).parameters) for one in (cls, theirs))
    tier = ours.pop("tier")
    assert (tier.kind, tier.default) == (tier.KEYWORD_ONLY, "handmade")
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in torchs.values()
    ]


FUNCTIONS = [
    pytest.param(name, function, tier, id=f"{function}-{tier}")
    for name in CONCEPT_NAMES
    for function in registry.concepts[name].functions
    for tier in ("naive", "handmade")
]


@pytest.mark.parametrize(("concept", "function", "tier"), FUNCTIONS)
def test_a_function_has_torchs_signature(concept, function, tier):
    page = registry.concepts[concept]
    ours = own_arguments(getattr(all_tiers(page.family)[tier], function))
    theirs = torch_arguments(page.builtin(function))
    assert any(agree(ours, one) for one in theirs), (
        f"{concept}/{tier}: {function} has {spelled(ours)}; torch has "
        f"{' or '.join(map(spelled, theirs)) or 'no signature that was found'}. Take torch's names, order and defaults."
    )
