"""The function that an arriving `model.tar.gz` starts: versioned name, alias, trial, or back again.

The artifact is copied below the model store under a name that is never written twice, the alias is
switched to it, and the endpoint is asked the model's own sample request. If it does not answer, the
alias means again what it meant before; in either case the topic is told. An event may come twice,
and a run may be cut short: each step finds what is done already.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.aws.lambdas.arrival import Arrived, Outcome, read_event, read_outcome
from deploy.aws.lambdas.smoke import sample_of, why_it_fails
from mme.core.errors import EndpointError, TargetNotFound
from mme.residency.trial import SampleFailed
from mme.store.address import bucket_and_prefix, open_s3
from mme.store.alias_changes import meaning_of, set_alias, take_back
from mme.store.base import TargetDenied
from mme.store.s3_errors import MISSING, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.store.s3 import S3Store

log = logging.getLogger(__name__)

SOURCE = "arrived-as"
"""Metadata of a published object: where it was copied from."""
READ_TIMEOUT_S = 70
TO_END_S = READ_TIMEOUT_S + 60
"""What is kept of the function's time: for the last question, and for going back and telling."""
SUBJECT_CHARS = 100


@dataclass(frozen=True)
class Shop:
    """What an artifact is published with."""

    store: S3Store
    s3: Any
    runtime: Any
    sns: Any
    endpoint: str
    topic: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Shop:
        """As the function's environment says."""
        # One attempt each: the trial asks again by itself, where that may help.
        config = Config(read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})
        return cls(
            store=open_s3(environ["MODEL_STORE"]),
            s3=boto3.client("s3"),
            runtime=boto3.client("sagemaker-runtime", config=config),
            sns=boto3.client("sns"),
            endpoint=environ["ENDPOINT_NAME"],
            topic=environ["TOPIC_ARN"],
        )


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Publish what an event of S3 tells of; what cannot be, is raised, and then told as well."""
    outcome = publish(
        read_event(event),
        Shop.from_environment(os.environ),
        time_left_s=lambda: context.get_remaining_time_in_millis() / 1000 - TO_END_S,
    )
    return {"state": outcome.state, "said": outcome.sentence}


def publish(
    arrived: Arrived,
    shop: Shop,
    *,
    time_left_s: Callable[[], float],
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Have an artifact serve, or leave what served; record it and tell. Raises EndpointError."""
    outcome = _recorded(arrived, shop)
    if outcome is None:
        _copy(arrived, shop)
        outcome = _tried(arrived, shop, time_left_s, pause)
        shop.s3.put_object(
            Bucket=arrived.bucket,
            Key=arrived.record_key,
            Body=outcome.as_json(),
            ContentType="application/json",
        )
    subject = f"{outcome.name} {outcome.id}: {outcome.state}"
    shop.sns.publish(
        TopicArn=shop.topic,
        Subject=subject.encode("ascii", "replace").decode()[:SUBJECT_CHARS],
        Message=outcome.sentence,
    )
    return outcome


def _tried(
    arrived: Arrived,
    shop: Shop,
    time_left_s: Callable[[], float],
    pause: Callable[[float], None],
) -> Outcome:
    name, version_id, store = arrived.name, arrived.id, shop.store
    try:
        sample = sample_of(store, arrived.target)
    except SampleFailed as error:  # so the alias is never switched to it
        return Outcome(name, version_id, "refused", error.message, meaning_of(store, name))
    set_alias(store, name, version_id, how="deploy")
    log.info("%s means %s; trying it", name, arrived.target)
    reason = why_it_fails(
        shop.runtime, shop.endpoint, arrived.target, sample, time_left_s=time_left_s, pause=pause
    )
    if not reason:
        return Outcome(name, version_id, "serving", serves=version_id)
    change = take_back(store, name, version_id)
    if change is None:
        return Outcome(name, version_id, "superseded", reason, meaning_of(store, name))
    return Outcome(name, version_id, "rolled back", reason, change.id)


def _copy(arrived: Arrived, shop: Shop) -> None:
    """Give the artifact its versioned name; nothing if it has it. Raises EndpointError."""
    source = f"{arrived.bucket}/{arrived.key}"
    bucket, prefix = bucket_and_prefix(shop.store.uri)
    key = prefix + arrived.target
    try:
        shop.store.find(arrived.target)
    except TargetDenied:
        raise
    except TargetNotFound:
        pass
    else:
        head = shop.s3.head_object(Bucket=bucket, Key=key)
        if head["Metadata"].get(SOURCE) != source:
            raise EndpointError(
                f"s3://{bucket}/{key} is there already and is another artifact; published names"
                " are never written twice"
            )
        return
    extra = {"Metadata": {SOURCE: source}, "MetadataDirective": "REPLACE"}
    try:
        shop.s3.copy({"Bucket": arrived.bucket, "Key": arrived.key}, bucket, key, ExtraArgs=extra)
    except ClientError as error:
        if code_of(error) in MISSING:
            raise TargetNotFound(arrived.name, f"s3://{source}") from error
        raise


def _recorded(arrived: Arrived, shop: Shop) -> Outcome | None:
    """How its publishing ended, if it did: what the alias means now is later word than that."""
    try:
        answer = shop.s3.get_object(Bucket=arrived.bucket, Key=arrived.record_key)
    except ClientError as error:
        if code_of(error) in MISSING:
            return None
        raise
    return read_outcome(answer["Body"].read())
