"""Whether the endpoint could listen where it is told to: is it free, and if not, whose is it.

Whose a socket is the kernel tells in /proc, as far as this user may look.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.app.listening import SOCKET_PATH_BYTES, check_settings
from mme.core.settings import SettingsError
from mme.core.unix_http import UnixConnection
from mme.doctor.finding import Finding, failed, ok

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from mme.core.settings import Settings

CHECK = "port"
LISTENS = "0A"
"""The kernel's number for a socket that listens."""
COMMAND_CHARS = 120
PATIENCE_S = 2.0
OWN_NAME = "mme"
"""What our endpoints say in the header `Server`."""


@dataclass(frozen=True, slots=True)
class Named:
    """What the check of a port is called, and the settings that name it."""

    check: str = CHECK
    host: str = "MME_HOST"
    port: str = "MME_PORT"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str


def check_listening(settings: Settings) -> list[Finding]:
    """Each place a standalone endpoint would listen at. Blocking."""
    try:
        check_settings(settings)
    except SettingsError as error:
        return [failed(CHECK, str(error))]
    found = [
        check_port(settings.host, settings.port)
        if settings.socket is None
        else check_socket(settings.socket)
    ]
    if settings.management_port is not None:
        host = settings.management_host or settings.host
        named = Named("port: management", "MME_MANAGEMENT_HOST", "MME_MANAGEMENT_PORT")
        found.append(check_port(host, settings.management_port, named))
    if settings.grpc_port is not None:
        found.append(_check_grpc_port(settings, found[0]))
    return found


def _check_grpc_port(settings: Settings, public: Finding) -> Finding:
    """The port of gRPC; an endpoint of ours is known there by its answering at the other one."""
    named = Named("port: gRPC", port="MME_GRPC_PORT")
    port = settings.grpc_port or 0
    found = check_port(settings.host, port, named)
    pid = public.facts.get("pid")
    if pid is None or pid not in found.facts.get("holders", ()):
        return found
    place = f"{settings.host} port {port}"
    return ok(named.check, f"that endpoint has {place}", host=settings.host, port=port, pid=pid)


def check_socket(path: Path) -> Finding:
    """Whether a Unix socket could be listened on at `path`; nothing is made or removed."""
    check, place = "socket", str(path)
    advice = "name another path in MME_SOCKET"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        return failed(
            check, f"{place} has more than {SOCKET_PATH_BYTES} bytes", advice, socket=place
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return failed(
            check, f"{path.parent} is not there, or user {os.geteuid()} may not write it", advice,
            socket=place,
        )  # fmt: skip
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return ok(check, f"{place} is free", socket=place)
    if not is_socket:
        return failed(check, f"something is at {place} that is no socket", advice, socket=place)
    return _who_is_at(check, place, advice)


def _who_is_at(check: str, place: str, advice: str) -> Finding:
    """Who listens at a socket that is there already."""
    connection = UnixConnection(place, PATIENCE_S)
    try:
        connection.connect()
    except TimeoutError:
        pass
    except OSError:
        connection.close()
        return ok(check, f"{place} is left over and is replaced", socket=place)
    if _says_it_is_ours(connection):
        return ok(check, f"an endpoint of ours answers at {place}", socket=place, pid=None)
    return failed(check, f"a process listens at {place} already", advice, socket=place)


def _says_it_is_ours(connection: http.client.HTTPConnection) -> bool:
    """Whether an endpoint of this project is at the other end, which is closed."""
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/ping")
        return connection.getresponse().getheader("Server") == OWN_NAME
    return False


def check_port(
    host: str, port: int, named: Named | None = None, *, proc: Path = Path("/proc")
) -> Finding:
    """Bind the port for a moment; where that fails, say why."""
    named = named or Named()
    if port == 0:
        return ok(named.check, f"a free one is taken at the start ({named.port}=0)", port=port)
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        return _judge(host, port, error, named, proc)
    return ok(named.check, f"{host} port {port} is free", host=host, port=port)


def _judge(host: str, port: int, error: OSError, named: Named, proc: Path) -> Finding:
    where = f"{host} port {port}"
    if error.errno == errno.EADDRINUSE:
        found = holders(listeners(proc, port), proc)
        if is_ours(host, port):
            pids = f" (pid {found[0].pid})" if found else ""
            return ok(
                named.check, f"an endpoint of ours answers on {where}{pids}", host=host, port=port,
                pid=found[0].pid if found else None,
            )  # fmt: skip
        who = "; ".join(f"pid {each.pid}: {each.command}" for each in found)
        return failed(
            named.check,
            f"{where} is taken by {who or 'a process that this user may not look into'}",
            f"end that, or choose another one in {named.port}",
            host=host, port=port, holders=[each.pid for each in found],
        )  # fmt: skip
    advice = {
        errno.EACCES: f"choose one of 1024 or above in {named.port}, or allow this user lower ones",
        errno.EADDRNOTAVAIL: f"{named.host} is no address of this machine: 127.0.0.1, 0.0.0.0 or"
        " one that it has",
    }.get(error.errno or 0, f"see {named.host} and {named.port}")
    return failed(named.check, f"{where}: {error.strerror or error}", advice, host=host, port=port)


def is_ours(host: str, port: int) -> bool:
    """Whether an endpoint of this project answers there, in plain text or by TLS."""
    place = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - read, not bound
    anybody = ssl.create_default_context()
    anybody.check_hostname = False  # nothing is sent that is a secret, and nothing believed
    anybody.verify_mode = ssl.CERT_NONE
    connections = (
        http.client.HTTPConnection(place, port, timeout=PATIENCE_S),
        http.client.HTTPSConnection(place, port, timeout=PATIENCE_S, context=anybody),
    )
    return any(map(_says_it_is_ours, connections))


def listeners(proc: Path, port: int) -> frozenset[int]:
    """The inodes of the sockets that listen on a port, whatever the address."""
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            found |= set(parse_listeners((proc / "net" / table).read_text("ascii"), port))
    return frozenset(found)


def parse_listeners(table: str, port: int) -> Iterable[int]:
    """The inodes in a table as the kernel writes it: address:port in hex, the state, the inode."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTENS and fields[9].isdecimal():  # noqa: PLR2004
            with contextlib.suppress(ValueError):
                if int(fields[1].rpartition(":")[2], 16) == port:
                    yield int(fields[9])


def holders(inodes: Collection[int], proc: Path = Path("/proc")) -> list[Holder]:
    """The processes that hold one of these sockets, as far as this user may see."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for folder in sorted(
        (each for each in proc.iterdir() if each.name.isdecimal()), key=lambda each: int(each.name)
    ):
        with contextlib.suppress(OSError):
            if wanted & {_link(each) for each in (folder / "fd").iterdir()}:
                said = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                command = said.decode("utf-8", "replace").strip()[:COMMAND_CHARS]
                found.append(Holder(int(folder.name), command))
    return found


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - what it says is no path
    except OSError:
        return ""
