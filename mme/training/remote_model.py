"""A model on a running endpoint, asked as a loaded one is: for evaluating what is served.

Speaks the SageMaker Runtime form of requests, and asks the management calls what the model is;
where there are none, as on SageMaker itself, that stays unknown.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from mme.core.json_text import json_object
from mme.core.names import TARGET_HEADER
from mme.training.plan import TrainingError
from models.serving import Needs, Request, Response

TIMEOUT_S = 120.0
SCHEMES = ("http", "https")
MOST_BYTES = 256 * 1024 * 1024
SHOWN_CHARS = 300
BAD_REQUEST, SERVER_FAULT = 400, 500


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """The model that `target` names on the endpoint at `url`; raises TrainingError."""

    url: str
    target: str
    token: str = ""

    def __post_init__(self) -> None:
        if urllib.parse.urlsplit(self.url).scheme not in SCHEMES:
            raise TrainingError(f"--endpoint is {self.url!r}: it must be an http:// address")

    def predict(self, request: Request) -> Response:
        """See LoadedModel."""
        headers = {
            "Content-Type": request.content_type or "",
            "Accept": request.accept or "*/*",
            TARGET_HEADER: self.target,
        }
        status, body = self._send("/invocations", request.body, headers)
        if status >= BAD_REQUEST:
            raise TrainingError(f"{self.url} answers {status} for {self.target}: {_message(body)}")
        return Response(request.accept or "", body.decode("utf-8", "replace"))

    def describe(self) -> dict[str, object]:
        """What the endpoint says of the model; nothing if it says nothing."""
        wanted = json.dumps({"target_model": self.target}).encode()
        status, body = self._send("/models", wanted, {"Content-Type": "application/json"})
        if status >= BAD_REQUEST:
            return {}
        model = (json_object(body) or {}).get("model")
        return model if isinstance(model, dict) else {}

    def needs(self) -> Needs:
        """See LoadedModel; it is the endpoint's business."""
        return Needs()

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self.token:
            headers = {**headers, "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url.rstrip("/") + path, body, headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return answer.status, answer.read(MOST_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(MOST_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise TrainingError(f"cannot reach {self.url}: {reason}") from error


def _message(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    said = json_object(text) or {}
    return str(said.get("Message") or said.get("message") or text)[:SHOWN_CHARS]
