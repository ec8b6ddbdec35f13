"""Every error code of ours, found in the source: where it can come from, and as which error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_OURS = re.compile(r"[a-z][a-z_]*")
# A form's own errors are shown beside their field and carry no code to anybody, but in the API
# they do; the emulators and the sandbox speak as the provider.
_FORM_ERRORS = frozenset({"ValidationError"})
_ELSEWHERE = frozenset({"emulator", "sandbox", "migrations"})
_Found = Iterator[tuple[str, str]]


@dataclass(slots=True)
class FoundCode:
    """A code, and the names of the classes and functions that it is given to."""

    code: str
    given_to: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Helper:
    """A function with a parameter `code`: its place, and what the function calls with it."""

    place: int
    passes_to: set[str]


def find_codes(*packages: Path) -> dict[str, FoundCode]:
    """Every code of the packages' source, by name.

    A code is a text given as `code=`, or by position to a function whose parameter has that
    name; a class's `default_code`; or a text assigned to `code`, as a variable or in a dict.
    """
    trees = {path: ast.parse(path.read_text()) for path in _sources(packages)}
    helpers = {name: helper for tree in trees.values() for name, helper in _helpers(tree)}
    found: dict[str, FoundCode] = {}
    for path, tree in trees.items():
        silent = frozenset() if path.parent.name == "api" else _FORM_ERRORS
        for code, name in _codes_of(tree, helpers):
            if name in silent:
                continue
            given_to = found.setdefault(code, FoundCode(code)).given_to
            given_to |= {name} | (helpers[name].passes_to if name in helpers else set())
    return dict(sorted(found.items()))


def _sources(packages: tuple[Path, ...]) -> Iterator[Path]:
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            if _ELSEWHERE.isdisjoint(path.relative_to(package).parts):
                yield path


def _helpers(tree: ast.Module) -> Iterator[tuple[str, _Helper]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            taken = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
            names = [name for name in taken if name != "self"]
            if "code" in names:
                yield node.name, _Helper(names.index("code"), _passed_on(node))


def _passed_on(function: ast.AST) -> set[str]:
    """What is called inside with `code=` and a variable."""
    return {
        _name_of(call.func)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and any(each.arg == "code" and isinstance(each.value, ast.Name) for each in call.keywords)
    }


def _codes_of(tree: ast.Module, helpers: dict[str, _Helper]) -> _Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _codes_of_call(node, helpers)
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if _assigns(line, "default_code"):
                    yield from ((code, node.name) for code in _texts(line))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and _is_text(key, "code"):
                    yield from ((code, "") for code in _texts(value))
        elif isinstance(node, ast.FunctionDef | ast.Module):
            yield from _codes_of_variables(node)


def _codes_of_call(call: ast.Call, helpers: dict[str, _Helper]) -> _Found:
    name = _name_of(call.func)
    given: list[ast.expr] = [each.value for each in call.keywords if each.arg == "code"]
    if name in helpers:
        given += call.args[helpers[name].place : helpers[name].place + 1]
    for value in given:
        yield from ((code, name) for code in _texts(value))


def _codes_of_variables(block: ast.FunctionDef | ast.Module) -> _Found:
    for node in ast.walk(block):
        if _assigns(node, "code"):
            for code in _texts(node):
                yield from ((code, name) for name in _passed_on(block) or {""})


def _name_of(function: ast.expr) -> str:
    return getattr(function, "id", "") or getattr(function, "attr", "")


def _assigns(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        (isinstance(target, ast.Name) and target.id == name)
        or (isinstance(target, ast.Subscript) and _is_text(target.slice, name))
        for target in node.targets
    )


def _is_text(node: ast.expr, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _texts(node: ast.AST) -> Iterator[str]:
    """The constants that can be the value: also both branches of a condition."""
    if isinstance(node, ast.Assign):
        yield from _texts(node.value)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)
    elif isinstance(node, ast.Constant) and _OURS.fullmatch(str(node.value)):
        yield str(node.value)
