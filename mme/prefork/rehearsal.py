"""The rehearsal: what a worker does, done before the first fork.

A fork shares what it does not write. Python writes when it imports, compiles, and specialises
bytecode at the first calls of each function, so all of it is done here, on a miniature model of
each family, through the very code a worker runs: the model server's `Service` and the handler.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mms.service import Service

from models.registry import FAMILIES, family

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.serving import Request

log = logging.getLogger(__name__)

TIMES = 20
"""Bytecode is specialised after eight calls, and some of it again later."""


def rehearse(handle: Callable[[Any, Any], Any]) -> None:
    """Load and use a miniature of every family with the handler; a failure is only logged."""
    with tempfile.TemporaryDirectory(prefix="mme-rehearsal-") as folder:
        kept = os.environ.get("MME_SCRATCH_DIR")
        os.environ["MME_SCRATCH_DIR"] = folder
        try:
            for name in FAMILIES:
                _rehearse_family(handle, name, Path(folder))
        except Exception:
            log.exception("the rehearsal failed; workers will be slower and larger")
        finally:
            if kept is None:
                del os.environ["MME_SCRATCH_DIR"]
            else:
                os.environ["MME_SCRATCH_DIR"] = kept


def _rehearse_family(handle: Callable[[Any, Any], Any], name: str, folder: Path) -> None:
    model_dir, scratch = folder / f"{name}-artifact", folder / name / "mapped"
    model_dir.mkdir()
    scratch.mkdir(parents=True)
    request = family(name).rehearse(model_dir, scratch)
    for _ in range(TIMES):
        service = Service(name, str(model_dir), None, handle, None, 1)
        handle(None, service.context)
        for _ in range(TIMES):
            service.predict(_as_message(request))


def _as_message(request: Request) -> list[dict[str, Any]]:
    """The request in the form the model server's message code gives it."""
    content_type = (request.content_type or "").encode()
    return [
        {
            "requestId": b"00000000-0000-0000-0000-000000000000",
            "headers": [
                {"name": b"Content-Type", "value": content_type},
                {"name": b"X-Amzn-SageMaker-Target-Model", "value": b"rehearsal.tar.gz"},
            ],
            "parameters": [
                {"name": "body", "contentType": content_type, "value": bytearray(request.body)}
            ],
        }
    ]
