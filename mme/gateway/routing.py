"""Which handler answers a method on a path: a table, looked up in constant time.

A path is fixed, or has one name in it: `/models/{name}/invoke`. A name is one part of the path,
or with `{name...}` any number of parts. `HEAD` is answered wherever `GET` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from mme.core.errors import EndpointError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp import web

    from mme.gateway.exchange import Call

    Handler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]
    Route: TypeAlias = tuple[str, str, Handler]
    Methods: TypeAlias = dict[str, tuple[Handler, str]]

SHOWN_CHARS = 200


class NoSuchPath(EndpointError):
    """Nothing is at this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"There is nothing at {path[:SHOWN_CHARS]}")


class MethodNotAllowed(EndpointError):
    """There is something at this path, but not for this method."""

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        super().__init__(f"{method[:SHOWN_CHARS]} is not possible on {path[:SHOWN_CHARS]}")
        self.allowed = ",".join(sorted(allowed))
        """For the header `Allow`."""


class Router:
    """The routes of one surface: method, path, handler each."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, Methods] = {}
        named: dict[tuple[str, str, bool], Methods] = {}
        for method, path, handler in routes:
            before, brace, rest = path.partition("{")
            name, _, after = rest.partition("}")
            methods = (
                named.setdefault((before, after, name.endswith("...")), {})
                if brace
                else self._fixed.setdefault(path, {})
            )
            methods[method] = (handler, path)
            if method == "GET":
                methods["HEAD"] = (handler, path)
        # The longest end first: `/models/{name}/invoke` before `/models/{name}`.
        self._named = sorted(named.items(), key=lambda item: -len(item[0][1]))

    def find(self, method: str, path: str) -> tuple[Handler, str, str]:
        """The handler, the name in the path or "", and the path's form, as in the route.

        Raises NoSuchPath, MethodNotAllowed.
        """
        methods, name = self._fixed.get(path), ""
        if methods is None:
            methods, name = self._find_named(path)
        found = methods.get(method)
        if found is None:
            raise MethodNotAllowed(method, path, methods)
        handler, form = found
        return handler, name, form

    def _find_named(self, path: str) -> tuple[Methods, str]:
        for (before, after, is_long), methods in self._named:
            if path.startswith(before) and path.endswith(after):
                name = path[len(before) : len(path) - len(after)]
                if name and (is_long or "/" not in name):
                    # Bytes that are no UTF-8 stay apart from each other, and name no model.
                    return methods, unquote(name, errors="surrogateescape")
        raise NoSuchPath(path)
