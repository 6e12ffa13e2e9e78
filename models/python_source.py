"""Python source of an artifact, read without running it: bounded, and its errors in words.

What must stand in it is for the families whose artifacts bring code.
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from models.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 1024 * 1024


def parsed(path: Path, file: str) -> ast.Module:
    """The syntax tree of a source file; errors name `file`. Raises ArtifactError."""
    with path.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ArtifactError(file, f"is larger than {MOST_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content, file)
            # What only the compiler finds, as a `return` outside of functions.
            compile(content, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = "" if error.lineno is None else f", line {error.lineno}"
        raise ArtifactError(file, f"a syntax error{place}: {error.msg}") from error
    except ValueError as error:  # a zero byte
        raise ArtifactError(file, f"is no Python source: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise ArtifactError(file, "is nested too deeply to be read") from error
    return tree


def outermost(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that bind names of the module, and expressions among them."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def bound(node: ast.AST) -> Iterator[str]:
    """The names that such a statement binds, but for functions."""
    match node:
        case ast.ClassDef(name=name):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name for alias in node.names)
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
