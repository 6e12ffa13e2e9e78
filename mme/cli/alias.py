"""`mme alias`: what aliases of a store mean, and having them mean something else."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.core.errors import EndpointError
from mme.core.log import configure_logging
from mme.core.settings import SettingsError, read_settings
from mme.store import open_store
from mme.store.alias_changes import entries_of, meaning_of, roll_back, set_alias
from mme.store.alias_file import FILE, artifact_of, split
from mme.store.alias_history import standing
from mme.store.alias_shelf import read_aliases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.store import Store
    from mme.store.alias_changes import Change

DESCRIPTION = "Have a target model without .tar.gz mean one version of an artifact."
EXAMPLES = """\
examples:
  mme alias set de/DocSim 7               de/DocSim means de/DocSim-7.tar.gz from now on
  mme alias set DocSim 7 --expect 6       ... if it means 6 now; --expect '' if nothing yet
  mme alias get DocSim                    prints 7
  mme alias rollback DocSim               what it meant before; again: what it meant before that
  mme alias rollback DocSim --to 3 --store s3://bucket/models/

Endpoints on the store follow within MME_STORE_CHECK_S, no request fails: docs/versions.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--store", metavar="STORE", help="a folder or s3://bucket/prefix/; default: MME_STORE"
    )
    common.add_argument("--json", action="store_true", help="print JSON")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("name", metavar="NAME", help="the alias, folder and all: de/DocSim")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    setting = actions.add_parser("set", parents=[named, common], help="have it mean an id")
    setting.add_argument("id", metavar="ID", help="what stands between NAME- and .tar.gz")
    setting.add_argument(
        "--expect", metavar="OLD", help="only if it means this id now; '': if it means nothing"
    )
    setting.add_argument(
        "--force", action="store_true", help="also if the store has no such artifact yet"
    )
    actions.add_parser("get", parents=[named, common], help="print the id it means")
    listing = actions.add_parser("list", parents=[common], help="print all aliases")
    listing.add_argument("prefix", nargs="?", default="", help="only those that begin so")
    actions.add_parser("history", parents=[named, common], help="print what it has meant")
    back = actions.add_parser(
        "rollback", parents=[named, common], help="have it mean what it meant before"
    )
    back.add_argument("--to", metavar="ID", help="... or this id")


def run_command(options: argparse.Namespace) -> int:
    """Do what `options` ask for; returns the exit code."""
    configure_logging("WARNING")
    try:
        store = open_store(read_settings().store if options.store is None else options.store)
    except (SettingsError, ValueError, OSError) as error:
        print(f"mme: {error}", file=sys.stderr)
        return EXIT_USAGE
    try:
        return ACTIONS[options.action](store, options)
    except EndpointError as error:
        print(f"mme: {error.message}", file=sys.stderr)
        return EXIT_FAILED


def _set(store: Store, options: argparse.Namespace) -> int:
    change = set_alias(
        store,
        options.name,
        options.id,
        expected=options.expect,
        needs_artifact=not options.force,
    )
    return _tell(change, options)


def _rollback(store: Store, options: argparse.Namespace) -> int:
    return _tell(roll_back(store, options.name, options.to), options)


def _tell(change: Change, options: argparse.Namespace) -> int:
    if options.json:
        _print_json(_as_json(change.alias, change.id) | {"former_id": change.former or None})
    elif change.former == change.id:
        print(f"{change.alias} means {change.id} already ({change.target})")
    else:
        print(f"{change.alias}: {change.former or 'nothing'} -> {change.id} ({change.target})")
    return EXIT_OK


def _get(store: Store, options: argparse.Namespace) -> int:
    found = meaning_of(store, options.name)
    if not found:
        print(f"mme: there is no alias {options.name} in {store.uri}", file=sys.stderr)
        return EXIT_FAILED
    if options.json:
        _print_json(_as_json(options.name, found))
    else:
        print(found)
    return EXIT_OK


def _list(store: Store, options: argparse.Namespace) -> int:
    code = EXIT_OK
    found = []
    for folder in _folders(store, options.prefix):
        aliases = read_aliases(store, folder)
        if aliases.error is not None:
            print(f"mme: {aliases.error.message}", file=sys.stderr)
            code = EXIT_FAILED
        found += [
            (folder + name, version_id)
            for name, version_id in aliases.ids.items()
            if (folder + name).startswith(options.prefix)
        ]
    found.sort()
    if options.json:
        _print_json([_as_json(alias, version_id) for alias, version_id in found])
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


def _history(store: Store, options: argparse.Namespace) -> int:
    entries = entries_of(store, options.name)
    back_to = standing(entries)[:-1]
    if options.json:
        _print_json([{"id": each.id, "at": each.at, "how": each.how} for each in entries])
    else:
        for each in entries:
            print(f"{each.at}  {each.how:<8}  {each.id}")
        if back_to:
            print(f"rollback would go to {back_to[-1]}", file=sys.stderr)
    return EXIT_OK


def _as_json(alias: str, version_id: str) -> dict[str, str | None]:
    return {"alias": alias, "id": version_id, "target_model": artifact_of(alias, version_id)}


def _print_json(said: object) -> None:
    print(json.dumps(said, indent=2, ensure_ascii=False))


ACTIONS = {
    "set": _set,
    "get": _get,
    "list": _list,
    "history": _history,
    "rollback": _rollback,
}
