"""`mme settings`: every setting, its value now, its default and what it means."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import TYPE_CHECKING

from mme.core import settings as settings_module

if TYPE_CHECKING:
    from mme.core.settings import Settings


def meanings() -> dict[str, str]:
    """The sentence under each field of Settings, by the field's name."""
    tree = ast.parse(inspect.getsource(settings_module.Settings).strip())
    body = tree.body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def print_settings(settings: Settings) -> None:
    """One block a setting, in the order they are defined."""
    for name, meaning in meanings().items():
        value = getattr(settings, name)
        shown = ",".join(value) if isinstance(value, tuple) else "" if value is None else value
        print(f"MME_{name.upper()}={shown}\n    {meaning}")
