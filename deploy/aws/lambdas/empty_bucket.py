"""CloudFormation's custom resource that empties the stack's own bucket before it is deleted.

All versions and delete markers go, for CloudFormation deletes no bucket that has objects. Nothing
is done when it is made or changed. What goes wrong is answered as a failure with its reason, so
that a stack never waits an hour for an answer.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

REASON_CHARS = 1000
ANSWER_TIMEOUT_S = 30


def handler(event: Mapping[str, Any], _: object) -> None:
    """Do what a request of CloudFormation says, and answer it at its ResponseURL."""
    bucket = event["ResourceProperties"]["Bucket"]
    status, reason = "SUCCESS", ""
    try:
        if event["RequestType"] == "Delete":
            log.info("%d objects deleted from %s", empty(bucket, boto3.client("s3")), bucket)
    except Exception as error:
        log.exception("cannot empty %s", bucket)
        status, reason = "FAILED", f"cannot empty {bucket}: {error}"[:REASON_CHARS]
    answer = {
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId") or f"emptied-{bucket}",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        event["ResponseURL"],
        data=json.dumps(answer).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # the address was signed with none
    )
    urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S).close()  # noqa: S310 - as above


def empty(bucket: str, s3: Any) -> int:
    """Delete all versions of all objects; returns how many there were. Raises RuntimeError."""
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        if not objects:
            continue
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            raise RuntimeError(f"{errors[0]['Key']}: {errors[0].get('Message')}")
        count += len(objects)
    return count
