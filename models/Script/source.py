"""Which of the toolkit's functions `code/inference.py` has, found without running it.

Only what stands in the file is known. A name that comes from elsewhere by `import *`, or is made
when the code runs, cannot be seen: where that may be, nothing is said to be missing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from models.errors import ArtifactError, shorten
from models.python_source import bound, outermost, parsed

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = "code/inference.py"
ARGUMENTS = {
    "model_fn": ("model_dir",),
    "input_fn": ("input_data", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "input_data", "content_type", "accept"),
    "pre_model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
}
"""The toolkit's functions; each may take one argument more, the context."""
STEPS = ("input_fn", "predict_fn", "output_fn")

_Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


@dataclass(frozen=True, slots=True)
class Source:
    """What the file has."""

    functions: tuple[str, ...]
    """Those of the toolkit's functions it has, in the toolkit's order."""


def read_source(model_dir: Path) -> Source:
    """Read and check the artifact's code. Raises ArtifactError."""
    tree = parsed(model_dir / ENTRY, ENTRY)
    names: set[str] = set()
    definitions: dict[str, _Function] = {}
    has_all = True
    for node in outermost(tree.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                definitions[node.name] = node
                names.add(node.name)
            case ast.ImportFrom() if any(alias.name == "*" for alias in node.names):
                has_all = False
            case ast.Call(func=ast.Name(id="globals" | "exec")):
                has_all = False
            case _:
                names.update(bound(node))
    found = tuple(name for name in ARGUMENTS if name in names)
    for name in found:
        if name in definitions:
            _check_form(definitions[name])
    _check_together(found, has_all=has_all)
    return Source(found)


def _check_form(function: _Function) -> None:
    """Raise ArtifactError for a function that the toolkit could not call."""
    wanted = ARGUMENTS[function.name]
    if isinstance(function, ast.AsyncFunctionDef):
        raise ArtifactError(ENTRY, f"{function.name} is async, which the toolkit does not wait for")
    if function.decorator_list:
        return  # what is called is what the decorator makes of it
    given = function.args
    # As the toolkit counts: all parameters, whatever their kind.
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [each.arg for each in (given.vararg, given.kwarg) if each is not None]
    if len(names) not in (len(wanted), len(wanted) + 1):
        raise ArtifactError(
            ENTRY,
            f"line {function.lineno}: {function.name} takes"
            f" {shorten(', '.join(names))}; wanted ({', '.join(wanted)}) or"
            f" ({', '.join(wanted)}, context)",
        )


def _check_together(found: tuple[str, ...], *, has_all: bool) -> None:
    """Raise ArtifactError for functions that are missing, or exclude each other."""
    steps = [name for name in STEPS if name in found]
    if "transform_fn" in found and steps:
        raise ArtifactError(
            ENTRY, f"has transform_fn and {', '.join(steps)}: transform_fn takes the place of these"
        )
    if not has_all:
        return
    has = f"it has {', '.join(found) or 'none of the functions'}"
    if "model_fn" not in found:
        raise ArtifactError(ENTRY, f"model_fn(model_dir) is missing; {has}")
    if "predict_fn" not in found and "transform_fn" not in found:
        raise ArtifactError(
            ENTRY, f"predict_fn(data, model), or transform_fn in its place, is missing; {has}"
        )
