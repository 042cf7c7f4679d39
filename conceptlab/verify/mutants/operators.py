"""What a mutant may change: each operator takes a node of the syntax tree and gives what may stand in its place."""

import ast
import itertools
from collections.abc import Iterator, Mapping

Replacements = Iterator[ast.AST]

_OTHER_ARITHMETIC: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_OTHER_COMPARISONS: Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OTHER_RELATIONS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<")}
_PAIRS = "add/sub mul/div gt/ge lt/le eq/ne amax/amin maximum/minimum max/min argmax/argmin sum/mean any/all ceil/floor"
_OTHER_NAMES: dict[str, str] = {"expm1": "exp", "log1p": "log", "rsqrt": "sqrt", "square": "abs", "addcmul": "addcdiv"}
for _pair in _PAIRS.split():
    _one, _other = _pair.split("/")
    _OTHER_NAMES |= {_one: _other, _other: _one}
_OTHER_NAMES |= {f"{name}_": f"{other}_" for name, other in _OTHER_NAMES.items()}

_DRAWS = {"bernoulli_", "uniform_", "normal_", "random_"}
_SYMMETRIC = {"mul", "add", "maximum", "minimum", "max", "min", "promote_types", "isinstance", "save", "transpose"}
_SYMMETRIC_AT_THE_END = {"addcmul"}
"""Functions whose last two arguments are factors."""
_ONLY_MEMORY = {"out", "room"}
"""Keyword arguments that say where a result is put."""
_NOT_IDENTITIES = {"len", "range", "isinstance", "iter", "next", "type", "str", "repr", "list", "tuple", "set", "dict"}
"""Functions for which to leave out the call makes no sense, or no difference."""
_MODULES = {"torch", "math", "F", "warnings", "ops", "itertools", "functools", "ctx", "self", "cls", "super"}


def changed(node: ast.AST, **fields: object) -> ast.AST:
    """A copy of the node with other fields."""
    same = dict(ast.iter_fields(node))
    return ast.copy_location(type(node)(**{**same, **fields}), node)


def name_of(node: ast.AST) -> str:
    """The last part of a name: ``gt`` of ``torch.gt``."""
    return getattr(node, "attr", getattr(node, "id", ""))


def _method(node: ast.expr, name: str) -> ast.Call:
    return ast.Call(ast.Attribute(node, name, ast.Load()), [], [])


def arithmetic(node: ast.AST) -> Replacements:
    """Another operation: + for -, * for /."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OTHER_ARITHMETIC:
        yield changed(node, op=_OTHER_ARITHMETIC[type(node.op)]())


def term(node: ast.AST) -> Replacements:
    """A term, or a factor, left out: 1/N, for instance."""
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult):
        yield node.left
        if isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
            yield node.right


def operands(node: ast.AST) -> Replacements:
    """Operands exchanged."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.FloorDiv | ast.Pow):
        yield changed(node, left=node.right, right=node.left)


def sign(node: ast.AST) -> Replacements:
    """A minus, or a negation, left out; the result with a minus."""
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    if isinstance(node, ast.Return) and isinstance(node.value, ast.BinOp | ast.Call):
        yield changed(node, value=ast.UnaryOp(ast.USub(), node.value))


def comparison(node: ast.AST) -> Replacements:
    """< for <=, and its opposite; also as text."""
    if isinstance(node, ast.Compare):
        for index, op in enumerate(node.ops):
            for other in _OTHER_COMPARISONS[type(op)]:
                yield changed(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        for text in _OTHER_RELATIONS.get(node.value, ()):
            yield changed(node, value=text)


def condition(node: ast.AST) -> Replacements:
    """A condition negated; `and` for `or`; one of several left out."""
    if isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
        yield changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.BoolOp):
        yield changed(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
        for index in range(len(node.values)):
            rest = [*node.values[:index], *node.values[index + 1 :]]
            yield rest[0] if len(rest) == 1 else changed(node, values=rest)


def constant(node: ast.AST) -> Replacements:
    """Another number; True for False, as for keepdim."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield changed(node, value=not node.value)
        elif isinstance(node.value, int):
            yield changed(node, value=node.value + 1)
            yield changed(node, value=node.value - 1)
        elif isinstance(node.value, float):
            yield changed(node, value=node.value * 1.001 or 1.0)


def axis(node: ast.AST) -> Replacements:
    """Another axis."""
    if isinstance(node, ast.Call):
        for index, argument in enumerate(node.args):
            if name_of(argument) in ("dim", "axis"):
                other = ast.BinOp(argument, ast.Sub(), ast.Constant(1))
                yield changed(node, args=[*node.args[:index], other, *node.args[index + 1 :]])


def keyword(node: ast.AST) -> Replacements:
    """A keyword argument left out: dtype, value; `min` for `max`."""
    if isinstance(node, ast.Call):
        for index, argument in enumerate(node.keywords):
            others = [*node.keywords[:index], *node.keywords[index + 1 :]]
            # a flag is already turned round by `constant`
            is_flag = isinstance(argument.value, ast.Constant) and isinstance(argument.value.value, bool)
            if argument.arg is not None and argument.arg not in _ONLY_MEMORY and not is_flag:
                yield changed(node, keywords=others)
            if argument.arg in ("min", "max"):
                yield changed(node, keywords=[*others, ast.keyword(_OTHER_NAMES[argument.arg], argument.value)])


def function(node: ast.AST) -> Replacements:
    """A similar function: `ge` for `gt`, `amin` for `amax`, `mean` for `sum`."""
    if isinstance(node, ast.Call):
        name = name_of(node.func)
        if name in _OTHER_NAMES:
            field = "attr" if isinstance(node.func, ast.Attribute) else "id"
            yield changed(node, func=changed(node.func, **{field: _OTHER_NAMES[name]}))
        if name in _DRAWS and isinstance(node.func, ast.Attribute):
            yield changed(node, func=changed(node.func, value=node))


def call(node: ast.AST) -> Replacements:
    """A call left out: what it is applied to stands alone, without ``detach``, ``clone``, ``square`` …"""
    if not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value
        name = getattr(owner, "id", "")
        if name not in _MODULES and not name.lstrip("_")[:1].isupper():
            yield owner
        return
    name = getattr(node.func, "id", "A")
    is_identity = name not in _NOT_IDENTITIES and not name.lstrip("_")[:1].isupper()
    if is_identity and len(node.args) == 1 and not node.keywords:
        yield node.args[0]


def arguments(node: ast.AST) -> Replacements:
    """Two arguments, or two names that are assigned to, exchanged."""
    if isinstance(node, ast.Call) and name_of(node.func) not in _SYMMETRIC:
        for args in _exchanged(node.args):
            if name_of(node.func).rstrip("_") not in _SYMMETRIC_AT_THE_END or args[:-2] != node.args[:-2]:
                yield changed(node, args=args)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
        for elements in _exchanged(node.targets[0].elts):
            yield changed(node, targets=[changed(node.targets[0], elts=elements)])


def _exchanged(nodes: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for index, (a, b) in enumerate(itertools.pairwise(nodes)):
        kinds = {ast.Name if isinstance(n, ast.Name | ast.Attribute | ast.Subscript) else type(n) for n in (a, b)}
        if len(kinds) == 1 and kinds <= {ast.Name, ast.Constant} and ast.unparse(a) != ast.unparse(b):
            yield [*nodes[:index], b, a, *nodes[index + 2 :]]


def statement(node: ast.AST) -> Replacements:
    """A statement left out: an update in place, a refusal."""
    if isinstance(node, ast.AugAssign | ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield ast.Pass()


def detach(node: ast.AST) -> Replacements:
    """``.detach()`` added to what is assigned or returned."""
    value = node.value if isinstance(node, ast.Assign | ast.Return) else None
    if isinstance(value, ast.Call | ast.BinOp) and name_of(getattr(value, "func", value)) != "detach":
        yield changed(node, value=_method(value, "detach"))


def saved(node: ast.AST) -> Replacements:
    """What was saved comes back in another order, as a mask does that is drawn anew."""
    if isinstance(node, ast.Attribute) and node.attr == "saved_tensors":
        again = "tuple(None if t is None else t.reshape(-1).flip(0).reshape(t.shape) for t in X)"
        tree = ast.parse(again, mode="eval")
        tree.body.args[0].generators[0].iter = node  # type: ignore[attr-defined]
        yield tree.body


def gradient(node: ast.AST) -> Replacements:
    """None for a gradient."""
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        for index, element in enumerate(node.value.elts):
            if not isinstance(element, ast.Constant | ast.Starred):
                elements = [*node.value.elts[:index], ast.Constant(None), *node.value.elts[index + 1 :]]
                yield changed(node, value=changed(node.value, elts=elements))


OPERATORS = (
    *(arithmetic, term, operands, sign, comparison, condition, constant, axis, keyword, function, call, arguments),
    *(statement, detach, saved, gradient),
)
"""All of them. A flag of ``needs_input_grad`` is only negated: to ignore it costs time, and changes no result."""
