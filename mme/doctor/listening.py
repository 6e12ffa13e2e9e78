"""Whether the endpoint could listen where it is told to: is the port free, and if not, whose is it.

Whose a socket is the kernel tells in /proc, as far as this user may look.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.doctor.finding import Finding, failed, ok

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

CHECK = "port"
LISTENS = "0A"
"""The kernel's number for a socket that listens."""
PORT_BYTES = 4
COMMAND_CHARS = 120
PATIENCE_S = 2.0
OWN_NAME = "mme"
"""What our endpoints say in the header `Server`."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str


def check_port(host: str, port: int, *, proc: Path = Path("/proc")) -> Finding:
    """Bind the port for a moment; where that fails, say why."""
    if port == 0:
        return ok(CHECK, "a free one is taken at the start (MME_PORT=0)", port=port)
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        return _judge(host, port, error, proc)
    return ok(CHECK, f"{host} port {port} is free", host=host, port=port)


def _judge(host: str, port: int, error: OSError, proc: Path) -> Finding:
    where = f"{host} port {port}"
    if error.errno == errno.EADDRINUSE:
        found = holders(listeners(proc, port), proc)
        if is_ours(host, port):
            pids = f" (pid {found[0].pid})" if found else ""
            return ok(
                CHECK, f"an endpoint of ours answers on {where}{pids}", host=host, port=port,
                pid=found[0].pid if found else None,
            )  # fmt: skip
        who = "; ".join(f"pid {each.pid}: {each.command}" for each in found)
        return failed(
            CHECK,
            f"{where} is taken by {who or 'a process that this user may not look into'}",
            "end that, or choose another one in MME_PORT",
            host=host, port=port, holders=[each.pid for each in found],
        )  # fmt: skip
    advice = {
        errno.EACCES: "choose one of 1024 or above in MME_PORT, or allow this user lower ones",
        errno.EADDRNOTAVAIL: "MME_HOST is no address of this machine: 127.0.0.1, 0.0.0.0 or one"
        " that it has",
    }.get(error.errno or 0, "see MME_HOST and MME_PORT")
    return failed(CHECK, f"{where}: {error.strerror or error}", advice, host=host, port=port)


def is_ours(host: str, port: int) -> bool:
    """Whether an endpoint of this project answers there."""
    connection = http.client.HTTPConnection(
        "127.0.0.1" if host in ("0.0.0.0", "::", "") else host,  # noqa: S104 - read, not bound
        port,
        timeout=PATIENCE_S,
    )
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/ping")
        return connection.getresponse().getheader("Server") == OWN_NAME
    return False


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
                command = (
                    (folder / "cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode("utf-8", "replace")
                )
                found.append(Holder(int(folder.name), command.strip()[:COMMAND_CHARS]))
    return found


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - what it says is no path
    except OSError:
        return ""
