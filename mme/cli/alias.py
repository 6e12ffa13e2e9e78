"""`mme alias`: what aliases of a store mean, and having them mean something else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.cli.commands import HELP, as_written, say
from mme.cli.options import JsonOption  # noqa: TC001 - typer reads it
from mme.cli.tables import print_json
from mme.core.command_options import argument, option
from mme.core.errors import EndpointError
from mme.core.log import configure_logging
from mme.core.settings import SettingsError, read_settings
from mme.store import open_store
from mme.store.alias_changes import entries_of, meaning_of, roll_back, set_alias
from mme.store.alias_file import FILE, artifact_of, split
from mme.store.alias_history import standing
from mme.store.alias_shelf import read_aliases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.store import Store
    from mme.store.alias_changes import Change

EXAMPLES = """\
examples:
  mme alias set de/DocSim 7               de/DocSim means de/DocSim-7.tar.gz from now on
  mme alias set DocSim 7 --expect 6       ... if it means 6 now; --expect '' if nothing yet
  mme alias get DocSim                    prints 7
  mme alias rollback DocSim               what it meant before; again: what it meant before that
  mme alias rollback DocSim --to 3 --store s3://bucket/models/

Endpoints on the store follow within MME_STORE_CHECK_S, no request fails: docs/versions.md."""


alias = typer.Typer(
    help="Have a target model without .tar.gz mean one version of an artifact.",
    epilog=as_written(EXAMPLES),
    add_completion=False,
    rich_markup_mode=None,
    context_settings=HELP,
    no_args_is_help=True,
)
NameArgument: TypeAlias = Annotated[str, argument("NAME", "the alias, folder and all: de/DocSim")]
StoreOption: TypeAlias = Annotated[
    str | None, option("--store", "STORE", "a folder or s3://bucket/prefix/; default: MME_STORE")
]


def _on_store(named: str | None, do: Callable[[Store], int]) -> int:
    """Do it on the store that is named, or the endpoint's; returns the exit code."""
    configure_logging("WARNING")
    try:
        store = open_store(read_settings().store if named is None else named)
    except (SettingsError, ValueError, OSError) as error:
        say(str(error))
        return EXIT_USAGE
    try:
        return do(store)
    except EndpointError as error:
        say(error.message)
        return EXIT_FAILED


@alias.command("set")
def set_meaning(
    name: NameArgument,
    version_id: Annotated[str, argument("ID", "what stands between NAME- and .tar.gz")],
    *,
    expect: Annotated[
        str | None,
        option("--expect", "OLD", "only if it means this id now; '': if it means nothing"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="also if the store has no such artifact yet")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have it mean an id.

    As `mme alias set de/DocSim 7`.
    """

    def do(opened: Store) -> int:
        change = set_alias(opened, name, version_id, expected=expect, needs_artifact=not force)
        return _tell(change, as_json=as_json)

    return _on_store(store, do)


@alias.command()
def get(name: NameArgument, *, store: StoreOption = None, as_json: JsonOption = False) -> int:
    """Print the id it means.

    As `mme alias get de/DocSim`.
    """
    return _on_store(store, lambda opened: _get(opened, name, as_json=as_json))


@alias.command("list")
def list_all(
    prefix: Annotated[str, argument(None, "only those that begin so")] = "",
    *,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> int:
    """Print all aliases.

    As `mme alias list de/`.
    """
    return _on_store(store, lambda opened: _list(opened, prefix, as_json=as_json))


@alias.command()
def history(name: NameArgument, *, store: StoreOption = None, as_json: JsonOption = False) -> int:
    """Print what it has meant.

    As `mme alias history de/DocSim`.
    """
    return _on_store(store, lambda opened: _history(opened, name, as_json=as_json))


@alias.command()
def rollback(
    name: NameArgument,
    *,
    to: Annotated[str | None, option("--to", "ID", "... or this id")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have it mean what it meant before.

    As `mme alias rollback de/DocSim`; again: what it meant before that.
    """
    return _on_store(store, lambda opened: _tell(roll_back(opened, name, to), as_json=as_json))


def _tell(change: Change, *, as_json: bool) -> int:
    if as_json:
        print_json(_as_json(change.alias, change.id) | {"former_id": change.former or None})
    elif change.former == change.id:
        print(f"{change.alias} means {change.id} already ({change.target})")
    else:
        print(f"{change.alias}: {change.former or 'nothing'} -> {change.id} ({change.target})")
    return EXIT_OK


def _get(store: Store, name: str, *, as_json: bool) -> int:
    found = meaning_of(store, name)
    if not found:
        say(f"there is no alias {name} in {store.uri}")
        return EXIT_FAILED
    if as_json:
        print_json(_as_json(name, found))
    else:
        print(found)
    return EXIT_OK


def _list(store: Store, prefix: str, *, as_json: bool) -> int:
    code = EXIT_OK
    found = []
    for folder in _folders(store, prefix):
        aliases = read_aliases(store, folder)
        if aliases.error is not None:
            say(aliases.error.message)
            code = EXIT_FAILED
        found += [
            (folder + name, version_id)
            for name, version_id in aliases.ids.items()
            if (folder + name).startswith(prefix)
        ]
    found.sort()
    if as_json:
        print_json([_as_json(alias, version_id) for alias, version_id in found])
    else:
        width = max((len(alias) for alias, _ in found), default=0)
        for alias, version_id in found:
            print(f"{alias:<{width}}  {version_id}")
    return code


def _folders(store: Store, prefix: str) -> Iterator[str]:
    """The folders that have a file of aliases."""
    above = split(prefix)[0]
    if above:
        yield above
    for ref in store.list(prefix, FILE):
        folder, name = split(ref.target)
        if name == FILE and folder != above:
            yield folder
    if not above:
        yield above


def _history(store: Store, name: str, *, as_json: bool) -> int:
    entries = entries_of(store, name)
    back_to = standing(entries)[:-1]
    if as_json:
        print_json([{"id": each.id, "at": each.at, "how": each.how} for each in entries])
    else:
        for each in entries:
            print(f"{each.at}  {each.how:<8}  {each.id}")
        if back_to:
            print(f"rollback would go to {back_to[-1]}", file=sys.stderr)
    return EXIT_OK


def _as_json(alias: str, version_id: str) -> dict[str, str | None]:
    return {"alias": alias, "id": version_id, "target_model": artifact_of(alias, version_id)}
