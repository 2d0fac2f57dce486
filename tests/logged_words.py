"""Find every word that the source passes to certain functions, such as the reasons of answers.

The source is parsed, not run. A word may be passed as a constant, through a variable, a dictionary,
a conditional expression, a tuple of an event, or a function that passes its own parameter on. An
argument that cannot be followed to its words raises `UnknownWordError`, so that no word is missed.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Scope = ast.FunctionDef | ast.Lambda | ast.Module
LEVELS = ("debug", "info", "warning", "error")


class UnknownWordError(Exception):
    """The value of an argument cannot be read from the source."""


@dataclass(frozen=True)
class Sink:
    """A parameter that takes a word; functions are found by name, without leading underscores."""

    function: str
    position: int
    keyword: str


def logged_words(sources: Mapping[str, str], sinks: set[Sink]) -> set[str]:
    """The words that arrive in these parameters anywhere in the sources (name of a file → text).

    A word that begins with ``http_`` and ends with a status is given as ``http_…``.
    """
    modules = [_Module(name, text) for name, text in sources.items()]
    words: set[str] = set()
    done: set[Sink] = set()
    waiting = set(sinks)
    while waiting:
        sink = waiting.pop()
        done.add(sink)
        for module in modules:
            for call in module.calls(sink.function):
                argument = _argument(call, sink)
                if argument is not None:
                    found = module.resolve(argument)
                    words |= found.words
                    waiting |= found.sinks - done
    return words


@dataclass(frozen=True)
class _Found:
    """The words of an expression, and the parameters that it takes its value from."""

    words: frozenset[str] = frozenset()
    sinks: frozenset[Sink] = frozenset()

    def __or__(self, other: "_Found") -> "_Found":
        return _Found(self.words | other.words, self.sinks | other.sinks)


class _Module:
    """One file of the source."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._tree = ast.parse(text)
        self._parents = {
            child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)
        }

    def calls(self, function: str) -> Iterator[ast.Call]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and _name(node.func) == function:
                yield node

    def resolve(self, value: ast.expr) -> _Found:
        match value:
            case ast.Constant(value=str(word)):
                return _Found(frozenset(["http_…" if word.startswith("http_") else word]))
            case ast.JoinedStr(values=[ast.Constant(value="http_"), *_]):
                return _Found(frozenset(["http_…"]))
            case ast.IfExp(body=body, orelse=orelse):
                return self.resolve(body) | self.resolve(orelse)
            case ast.Dict(values=values) | ast.Tuple(elts=values):
                return self._union(values)
            case ast.Subscript(value=ast.Name() as table):
                return self.resolve(table)
            case ast.Attribute(attr="reason"):
                return _Found()  # it was passed to a sink when the object was made
            case ast.Name(id=name):
                return self._variable(name, value)
        raise self._unknown(value)

    def _union(self, values: list[ast.expr]) -> _Found:
        found = _Found()
        for value in values:
            found |= self.resolve(value)
        return found

    def _variable(self, name: str, use: ast.AST) -> _Found:
        for scope in self._scopes(use):
            if not isinstance(scope, ast.Module):
                parameters = [*scope.args.args, *scope.args.kwonlyargs]
                names = [parameter.arg for parameter in parameters if parameter.arg != "self"]
                if name in names:
                    function = self._function_name(scope)
                    return _Found(sinks=frozenset([Sink(function, names.index(name), name)]))
            values = list(self._assigned(name, scope))
            if values:
                return self._union(values)
        raise self._unknown(use)

    def _scopes(self, node: ast.AST) -> Iterator[Scope]:
        """The functions around a node, from the inside to the module."""
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, Scope):
                yield node

    def _function_name(self, scope: ast.FunctionDef | ast.Lambda) -> str:
        if isinstance(scope, ast.FunctionDef):
            return scope.name.lstrip("_")
        match self._parents[scope]:
            case ast.keyword(arg=str(name)) | ast.Assign(targets=[ast.Name(id=name)]):
                return name.lstrip("_")
        raise self._unknown(scope)

    def _assigned(self, name: str, scope: Scope) -> Iterator[ast.expr]:
        """The values that a variable is given in a function or a module."""
        for node in ast.walk(scope):
            if next(self._scopes(node), scope) is not scope:
                continue
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=target)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
                    | ast.NamedExpr(target=ast.Name(id=target), value=value)
                ) if target == name:
                    yield value
                case ast.For(target=target, iter=iterable) if name in _names(target):
                    for value in self._elements(iterable, target):
                        yield from _bound(name, target, value)

    def _elements(self, iterable: ast.expr, target: ast.expr) -> Iterator[ast.expr]:
        """What a loop goes through; if that is not in the source, the events of this file."""
        match iterable:
            case ast.Tuple(elts=values) | ast.List(elts=values):
                yield from values
            case ast.Call(func=ast.Attribute(attr="items", value=ast.Name(id=table))):
                for value in self._assigned(table, self._tree):
                    if isinstance(value, ast.Dict):
                        pairs = zip(value.keys, value.values, strict=True)
                        yield from (ast.Tuple([key, each]) for key, each in pairs if key)
            case _ if isinstance(target, ast.Tuple):
                yield from self._events(len(target.elts))

    def _events(self, size: int) -> Iterator[ast.Tuple]:
        """The tuples that stand for an event: the first element is a level."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Tuple) and len(node.elts) == size:
                first = node.elts[0]
                if isinstance(first, ast.Constant) and first.value in LEVELS:
                    yield node

    def _unknown(self, node: ast.AST) -> UnknownWordError:
        line = getattr(node, "lineno", 0)
        return UnknownWordError(f"{self._name}:{line}: cannot follow {ast.unparse(node)}")


def _names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _bound(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """What a variable gets if ``value`` is unpacked into ``target``."""
    match target, value:
        case ast.Name(id=found), _ if found == name:
            yield value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for each, its_value in zip(targets, values, strict=True):
                yield from _bound(name, each, its_value)


def _name(function: ast.expr) -> str:
    """The last part of what is called or assigned, without leading underscores."""
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
    return ""


def _argument(call: ast.Call, sink: Sink) -> ast.expr | None:
    """What a call passes to the parameter; None if it leaves the parameter out."""
    for keyword in call.keywords:
        if keyword.arg == sink.keyword:
            return keyword.value
    return call.args[sink.position] if len(call.args) > sink.position else None
