"""Finds where code uses private names of other people's libraries, and where it replaces parts of them."""

import ast
import dis
import importlib
import importlib.metadata
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

#: All packages but ours. A class of ours that inherits from one of theirs has their private names, too.
LIBRARIES = frozenset({*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}) - {
    "clients", "cloud", "edge", "pipeline", "workers",
}  # fmt: skip
#: Libraries whose parts nobody may replace, not even on one object.
GUARDED = ("aioice", "aiortc")
#: Names that begin with an underscore, but are public according to their documentation.
PUBLIC = {"_asdict", "_exit", "_fields", "_make", "_replace"}
_PRIVATE = re.compile(r"_(?!_)\w*[a-zA-Z0-9]\w*")
_MANGLED = re.compile(r"_[A-Z]\w*__\w+")
_BY_STRING = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller", "getattr_static"}
_OWN = {"self", "cls", "mcs"}


def touched(path: Path, root: Path) -> list[str]:
    """Each such place in a file, as "line: what". `root` is the folder from which its modules are imported."""
    tree = ast.parse(path.read_text())
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    found = [*_on_others(tree), *_by_string(tree), *_imported(tree), *_replaced(tree), *_inherited(tree, module)]
    return [f"{line}: {what}" for line, what in sorted(set(found))]


def private_names(path: Path, root: Path) -> set[str]:
    """The private names that a file uses, as in `touched`."""
    return {names[-1] for place in touched(path, root) if (names := re.findall(r"\b_[A-Za-z]\w*", place))}


def is_private(name: str) -> bool:
    return name not in PUBLIC and _PRIVATE.fullmatch(name) is not None


def _on_others(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Uses of `other._name`, and of mangled names on any object."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if _MANGLED.fullmatch(node.attr) or not _is_own(node.value):
                yield node.lineno, ast.unparse(node)


def _is_own(owner: ast.expr) -> bool:
    is_super = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
    return is_super or isinstance(owner, ast.Name) and owner.id in _OWN


def _by_string(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Uses of getattr and the like with a private name, mangled names in strings, and dictionaries of attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in _BY_STRING:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and is_private(str(argument.value)):
                    yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Call) and _called(node) == "vars" or _is_dictionary(node):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match("_[A-Z]\\w*__", node.value):
            yield node.lineno, repr(node.value)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _is_dictionary(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__dict__"


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Private names imported from others' modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_theirs(node.module or ""):
            for part in [*(node.module or "").split("."), *(alias.name for alias in node.names)]:
                if is_private(part):
                    yield node.lineno, f"from {node.module} import {part}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_theirs(alias.name) and any(map(is_private, alias.name.split("."))):
                    yield node.lineno, f"import {alias.name}"


def _is_theirs(module: str) -> bool:
    return module.split(".")[0] in LIBRARIES


def _replaced(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Attributes of imported modules and classes, and methods of a peer's parts, that are set or deleted."""
    foreign = _foreign_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            root = _root(node)
            is_method = node.attr in _guarded_methods() and not _is_own(node.value)
            if root in foreign or is_method:
                yield node.lineno, f"{ast.unparse(node)} ="
        if isinstance(node, ast.Call) and _called(node) in ("setattr", "delattr", "patch") and node.args:
            if _root(node.args[0]) in foreign:
                yield node.lineno, ast.unparse(node)


def _foreign_names(tree: ast.AST) -> set[str]:
    """The names in a file for what it imports from the libraries below a peer connection."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in GUARDED:
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names if _is_guarded(alias.name)}
    return names


def _is_guarded(module: str) -> bool:
    return module.split(".")[0] in GUARDED


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@cache
def _guarded_methods() -> frozenset[str]:
    """Names of methods of aiortc's and aioice's classes, without those that are also common attributes."""
    names: set[str] = set()
    for name in (
        "aioice.ice",
        "aioice.stun",
        "aiortc.rtcpeerconnection",
        "aiortc.rtcsctptransport",
        "aiortc.rtcrtpsender",
    ):
        for member in vars(importlib.import_module(name)).values():
            if inspect.isclass(member) and _is_guarded(member.__module__):
                names |= {key for key, value in vars(member).items() if isinstance(value, FunctionType)}
    return frozenset(name for name in names if not name.startswith("__"))


def _inherited(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """Private names of a foreign base class that a class of ours uses or overrides."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or not node.bases:
            continue
        names = _private_names_of_bases(module, node.name)
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and part.attr in names and _is_own(part.value):
                yield part.lineno, f"{node.name}: {ast.unparse(part)}"
        for part in node.body:
            for name in _defined(part):
                if name in names:
                    yield part.lineno, f"{node.name}.{name}"


def _defined(part: ast.stmt) -> list[str]:
    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
        return [part.name]
    targets = part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _private_names_of_bases(module: str, name: str) -> set[str]:
    made = getattr(importlib.import_module(module), name, None)
    if not inspect.isclass(made):
        return set()
    foreign = [base for base in made.__mro__ if _is_theirs(base.__module__)]
    return {attribute for base in foreign for attribute in attributes(base) if is_private(attribute)}


@cache
def attributes(owner: type) -> frozenset[str]:
    """A class's own attributes, and those that its methods set on its objects."""
    names = set(vars(owner))
    for member in vars(owner).values():
        function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        if isinstance(function, FunctionType):
            names |= _stored(function.__code__)
    return frozenset(names)


def _stored(code: CodeType) -> set[str]:
    return {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname == "STORE_ATTR"}
