"""Whether IAM would allow a call: identity policies alone, as the policy evaluation logic has it.

Moto's server evaluates actions and resources of S3 calls, no conditions; here they count. One whose
operator is not known fails, so that none is passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def allows(
    statements: Iterable[Mapping[str, Any]],
    action: str,
    resource: str,
    context: Mapping[str, str] | None = None,
) -> bool:
    """An explicit denial wins; without a permission there is none."""
    effects = {
        each["Effect"]
        for each in statements
        if _concerns(each, action, resource) and _holds(each.get("Condition", {}), context or {})
    }
    return "Allow" in effects and "Deny" not in effects


def _concerns(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    assert not {"NotAction", "NotResource"} & set(statement), statement
    return any(_like(each.lower(), action.lower()) for each in _list(statement["Action"])) and any(
        _like(each, resource) for each in _list(statement["Resource"])
    )


def _holds(conditions: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """All operators and all keys; of a key any value. What is not in the request fits nothing."""
    return all(
        key in context and any(_fits(operator, each, context[key]) for each in _list(values))
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _fits(operator: str, pattern: str, value: str) -> bool:
    match operator:
        case "StringEquals":
            return pattern == value
        case "StringLike" | "ArnLike":
            return _like(pattern, value)
        case "Bool":
            return pattern.lower() == value.lower()
        case _:
            raise AssertionError(f"the operator {operator} is not known here")


def _like(pattern: str, value: str) -> bool:
    parts = [".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in pattern]
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
