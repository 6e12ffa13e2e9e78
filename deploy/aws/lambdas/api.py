"""The function behind `POST /models/{model_name}`: an alias resolved, the endpoint asked.

The caller gets the model's own answer, type and status. What an alias means is read in the model
store, and asked again after a few seconds at the latest; whoever names an archive (`NAME.tar.gz`)
gets that one. Who may call, and how often, is API Gateway's to say.
"""

from __future__ import annotations

import base64
import logging
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws.lambdas.api_answers import Answer, answer_to, no_answer, refusal
from mme.core.errors import InvalidRequest, StoreUnavailable
from mme.core.names import check_target
from mme.store.address import open_s3
from mme.store.alias_file import AliasesUnreadable, artifact_of, is_alias, split
from mme.store.alias_shelf import read_aliases

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.store.alias_shelf import Aliases
    from mme.store.base import Store

log = logging.getLogger(__name__)

KEPT_S = 5.0
"""How long what aliases mean is used without asking the store."""
READ_TIMEOUT_S = 27
"""API Gateway waits for 30 s, the function runs for 29 s."""
PASSED = {
    "content-type": "ContentType",
    "accept": "Accept",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
}
"""Headers that go on to the model, as boto3 calls them."""
TARGET_HEADER = "x-mme-target-model"
ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"


@dataclass
class Api:
    """An endpoint and the store of its models."""

    store: Store
    runtime: Any
    endpoint: str
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, Aliases]] = field(default_factory=dict)
    """By folder, with when it was read."""

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What API Gateway is told for one of its events (payload format 2.0)."""
        name = (event.get("pathParameters") or {}).get("model_name") or ""
        try:
            target = self.target_of(name)
        except InvalidRequest as error:
            return refusal(400, error.message)
        except (StoreUnavailable, AliasesUnreadable) as error:
            log.error("aliases: %s", error.message)  # noqa: TRY400 - its facts, not where
            return refusal(503, f"What {name} means cannot be read at the moment", retry_after_s=5)
        if target is None:
            return refusal(404, f"There is no model {name}")
        return self._asked(target, event)

    def target_of(self, name: str) -> str | None:
        """The artifact that a name means; None: nothing.

        Raises InvalidRequest, StoreUnavailable, AliasesUnreadable.
        """
        check_target(name)
        if not is_alias(name):
            return name
        folder, short = split(name)
        aliases = self._aliases(folder)
        if aliases.error is not None:
            raise aliases.error
        version_id = aliases.ids.get(short)
        return artifact_of(name, version_id) if version_id is not None else None

    def _aliases(self, folder: str) -> Aliases:
        now = self.clock()
        read_at, known = self._known.get(folder, (0.0, None))
        if known is None or now - read_at >= KEPT_S:
            known = read_aliases(self.store, folder, known)
            self._known = {**self._known, folder: (now, known)} if known.ids else self._known
        return known

    def _asked(self, target: str, event: Mapping[str, Any]) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        passed = {member: headers[name] for name, member in PASSED.items() if headers.get(name)}
        try:
            body = _body(event)
        except ValueError:
            return refusal(400, "The body is said to be base64, and is not")
        try:
            said = self.runtime.invoke_endpoint(
                EndpointName=self.endpoint, TargetModel=target, Body=body, **passed
            )
            content = said["Body"].read()
        except ClientError as error:
            log.warning("%s: %s", target, error)
            return answer_to(error, target)
        except BotoCoreError as error:
            log.warning("%s: %s", target, error)
            return no_answer(error, target)
        more = {TARGET_HEADER: target}
        if "CustomAttributes" in said:
            more[ATTRIBUTES_HEADER] = said["CustomAttributes"]
        return Answer(200, content, said.get("ContentType", ""), more).as_event()


def _body(event: Mapping[str, Any]) -> bytes:
    """The bytes of a request. Raises ValueError."""
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    return str(body).encode()


_api: Api | None = None


def handler(event: Mapping[str, Any], _: object) -> dict[str, Any]:
    """Answer one request; clients are made once for all of this process."""
    global _api  # noqa: PLW0603 - Lambda keeps a process's module, and nothing else
    if _api is None:
        # One attempt: a model's work is not done twice behind the caller's back.
        config = Config(read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})
        _api = Api(
            open_s3(os.environ["MODEL_STORE"]),
            boto3.client("sagemaker-runtime", config=config),
            os.environ["ENDPOINT_NAME"],
        )
    return _api.answer(event)
