"""A mosec server whose one model does nothing. It has no models that come and go."""

from __future__ import annotations

import mosec  # type: ignore[import-not-found]


class Noop(mosec.Worker):  # type: ignore[misc]
    """Answers every request with the same bytes."""

    def deserialize(self, data: bytes) -> bytes:
        """As they are."""
        return data

    def serialize(self, data: bytes) -> bytes:
        """As they are."""
        return data

    def forward(self, data: bytes) -> bytes:  # noqa: ARG002 - mosec's signature
        """One answer."""
        return b"ok"


if __name__ == "__main__":
    server = mosec.Server()
    server.append_worker(Noop)
    server.run()
