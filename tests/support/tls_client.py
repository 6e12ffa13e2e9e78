"""A client of TLS that cuts what it sends as a test wants it, over a real socket."""

from __future__ import annotations

import asyncio
import ssl

PIECE_BYTES = 65536


class CuttingClient:
    """TLS over asyncio's plain streams; `cut` is how many bytes go out at a time."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        cut: int,
    ) -> None:
        self._reader, self.writer, self._cut = reader, writer, cut
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")

    @classmethod
    async def connected(cls, port: int, context: ssl.SSLContext, cut: int) -> CuttingClient:
        """One that has shaken hands."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port), context, cut)
        while True:
            try:
                client._tls.do_handshake()
            except ssl.SSLWantReadError:
                await client.flush()
                client._in.write(await client._reader.read(PIECE_BYTES))
            else:
                await client.flush()
                return client

    async def flush(self) -> None:
        """Send what TLS has made, cut."""
        made = self._out.read()
        for at in range(0, len(made), self._cut):
            self.writer.write(made[at : at + self._cut])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def send(self, data: bytes, record: int = 16384) -> None:
        """Send data in records of so many bytes."""
        for at in range(0, len(data), record):
            self._tls.write(data[at : at + record])
        await self.flush()

    async def say_goodbye(self) -> None:
        """Send a close_notify and wait for nothing."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            await self.flush()

    async def read(self, size: int = -1) -> bytes:
        """So many bytes, or all until the server says goodbye or goes."""
        parts: list[bytes] = []
        while size < 0 or sum(map(len, parts)) < size:
            try:
                part = self._tls.read(PIECE_BYTES)
            except ssl.SSLWantReadError:
                came = await self._reader.read(PIECE_BYTES)
                if came:
                    self._in.write(came)
                else:
                    self._in.write_eof()
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)
