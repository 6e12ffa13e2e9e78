"""The pipeline's functions one by one: what arrives twice, is none, or cannot be tried.

S3 and SNS are moto's. SageMaker Runtime is a server that answers as it is told, which the real
client asks; how a real endpoint answers is test_pipeline_end_to_end.py's.
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.aws.lambdas import empty_bucket, outcome
from deploy.aws.lambdas.api import Api
from deploy.aws.lambdas.arrival import Outcome, read_event, read_key
from deploy.aws.lambdas.publish import READ_TIMEOUT_S, TO_END_S, Shop, publish
from deploy.aws.lambdas.smoke import why_it_fails
from mme.core.errors import EndpointError, InvalidRequest, TargetNotFound
from mme.residency.trial import Sample
from mme.store.address import open_s3
from mme.store.alias_changes import meaning_of, set_alias
from tests.support.s3 import running_s3

REGION: Final = "eu-central-1"
SAMPLE = {"ContentType": "text/plain", "Body": "a text"}
KEY = "training/de/DocSim/{}/job/output/model.tar.gz"


class Runtime(ThreadingHTTPServer):
    """Answers what it is told to, one after the other; keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Told)
        self.answers: list[Any] = []
        self.asked: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Told(BaseHTTPRequestHandler):
    server: Runtime
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.path, dict(self.headers), body))
        status, headers, answer = (
            self.server.answers.pop(0) if self.server.answers else (200, {}, b"fine")
        )
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST  # noqa: N815 - as http.server wants

    def log_message(self, *_):
        pass


@pytest.fixture
def runtime():
    server = Runtime()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def failing(status, kind, **members):
    body = json.dumps({"Message": "words", **members}).encode()
    return status, {"x-amzn-ErrorType": kind}, body


@pytest.fixture(scope="module")
def aws():
    with running_s3() as server:
        yield server


@pytest.fixture
def shop(aws, runtime, monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": aws.url,
        "AWS_ENDPOINT_URL_SNS": aws.url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime.url,
    }.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    for bucket in ("work", "models"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    topic = boto3.client("sns").create_topic(Name="told")["TopicArn"]
    yield Shop.from_environment(
        {"MODEL_STORE": "s3://models/live/", "ENDPOINT_NAME": "texts", "TOPIC_ARN": topic}
    )
    for bucket in ("work", "models"):
        empty_bucket.empty(bucket, s3)
        s3.delete_bucket(Bucket=bucket)


def archive(**files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name.replace('_', '-')}.json")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return made.getvalue()


GOOD = archive(params=b"{}", sample_request=json.dumps(SAMPLE).encode())


def arrive(shop, version_id, body=GOOD, time_left_s=lambda: 60.0):
    key = KEY.format(version_id)
    shop.s3.put_object(Bucket="work", Key=key, Body=body)
    pauses: list[float] = []
    done = publish(read_key("work", key), shop, time_left_s=time_left_s, pause=pauses.append)
    record = outcome.outcome_of(f"s3://work/{key}", shop.s3)
    assert (record["state"], record["said"]) == (done.state, done.sentence)
    return done, pauses


def test_what_arrives_is_asked_its_own_sample_request_under_its_versioned_name(shop, runtime):
    done, _ = arrive(shop, "1")
    assert done == Outcome("de/DocSim", "1", "serving", serves="1")
    [(path, headers, body)] = runtime.asked
    assert path == "/endpoints/texts/invocations"
    assert headers["X-Amzn-SageMaker-Target-Model"] == "de/DocSim-1.tar.gz"
    assert (headers["Content-Type"], body) == ("text/plain", b"a text")
    assert meaning_of(shop.store, "de/DocSim") == "1"


def test_an_event_that_comes_again_late_does_not_bring_a_former_version_back(shop, runtime):
    first, _ = arrive(shop, "1")
    arrive(shop, "2")
    again, _ = arrive(shop, "1")
    assert again == first
    assert meaning_of(shop.store, "de/DocSim") == "2"
    assert len(runtime.asked) == 2


class Slow:
    """A SageMaker Runtime that takes as long as it is let to say that a model is being loaded."""

    def __init__(self, now_s):
        self.now_s = now_s

    def invoke_endpoint(self, **_):
        self.pass_s(READ_TIMEOUT_S)
        said: Any = {"Error": {"Code": "ModelNotReadyException", "Message": "loading"}}
        raise ClientError(said, "InvokeEndpoint")

    def pass_s(self, seconds):
        self.now_s += seconds


@pytest.mark.parametrize("began_at_s", range(0, 75, 5))
def test_after_the_last_question_of_a_trial_a_minute_is_left_to_go_back(began_at_s):
    runtime, function_s = Slow(began_at_s), 900
    assert why_it_fails(
        runtime, "texts", "A-1.tar.gz", Sample({}, b""),
        time_left_s=lambda: function_s - runtime.now_s - TO_END_S, pause=runtime.pass_s,
    )  # fmt: skip
    assert function_s - runtime.now_s >= 60


def test_an_event_that_comes_twice_changes_nothing(shop):
    first, _ = arrive(shop, "1")
    before = shop.s3.head_object(Bucket="models", Key="live/de/DocSim-1.tar.gz")["LastModified"]
    again, _ = arrive(shop, "1")
    assert again == first
    after = shop.s3.head_object(Bucket="models", Key="live/de/DocSim-1.tar.gz")["LastModified"]
    assert before == after


def test_a_published_name_is_never_written_twice(shop):
    shop.s3.put_object(Bucket="models", Key="live/de/DocSim-1.tar.gz", Body=b"another's")
    with pytest.raises(EndpointError, match="never written twice"):
        arrive(shop, "1")
    found = shop.s3.get_object(Bucket="models", Key="live/de/DocSim-1.tar.gz")["Body"].read()
    assert found == b"another's"
    assert meaning_of(shop.store, "de/DocSim") == ""


def test_a_first_version_that_does_not_answer_leaves_no_alias(shop, runtime):
    runtime.answers = [
        failing(424, "ModelError", OriginalStatusCode=500, OriginalMessage="no vectors")
    ]
    done, pauses = arrive(shop, "1")
    assert (done.state, done.serves) == ("rolled back", "")
    assert "no vectors" in done.sentence
    assert "de/DocSim means nothing" in done.sentence
    assert meaning_of(shop.store, "de/DocSim") == ""
    assert pauses == []


def test_a_run_that_was_cut_short_after_the_switch_still_goes_back(shop, runtime):
    arrive(shop, "1")
    shop.s3.put_object(Bucket="models", Key="live/de/DocSim-2.tar.gz", Body=GOOD,
                       Metadata={"arrived-as": f"work/{KEY.format('2')}"})  # fmt: skip
    set_alias(shop.store, "de/DocSim", "2", how="deploy")
    runtime.answers = [failing(424, "ModelError", OriginalMessage="broken")]
    done, _ = arrive(shop, "2")
    assert (done.state, done.serves) == ("rolled back", "1")


def test_a_model_that_is_still_loaded_and_a_platform_at_fault_are_asked_again(shop, runtime):
    runtime.answers = [
        failing(429, "ModelNotReadyException"),
        failing(500, "InternalFailure"),
        failing(429, "ModelNotReadyException"),
    ]
    done, pauses = arrive(shop, "1")
    assert done.state == "serving"
    assert len(pauses) == 3


def test_a_model_that_is_never_ready_goes_back_at_the_deadline(shop, runtime):
    runtime.answers = [failing(429, "ModelNotReadyException")] * 9
    left = iter([30.0, 20.0, 4.0])
    done, pauses = arrive(shop, "1", time_left_s=lambda: next(left))
    assert done.state == "rolled back"
    assert "ModelNotReadyException" in done.reason
    assert len(pauses) == 2


def test_a_switch_that_somebody_else_has_made_meanwhile_is_left(shop, runtime):
    arrive(shop, "1")
    shop.s3.put_object(Bucket="models", Key="live/de/DocSim-3.tar.gz", Body=GOOD)
    shop.s3.put_object(Bucket="work", Key=KEY.format("2"), Body=GOOD)
    runtime.answers = [failing(429, "ModelNotReadyException"), failing(424, "ModelError")]

    def switched(_):
        set_alias(shop.store, "de/DocSim", "3")

    arrived = read_key("work", KEY.format("2"))
    done = publish(arrived, shop, time_left_s=lambda: 60.0, pause=switched)
    assert (done.state, done.serves) == ("superseded", "3")
    assert meaning_of(shop.store, "de/DocSim") == "3"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no archive", "its archive cannot be read"),
        (GOOD[:-40], "its archive cannot be read"),
        (archive(params=b"{}"), "has no sample-request.json"),
        (archive(sample_request=b"no json"), "sample-request.json is no JSON"),
    ],
)
def test_what_cannot_be_tried_never_becomes_what_the_alias_means(shop, runtime, body, words):
    arrive(shop, "1")
    runtime.asked.clear()
    done, _ = arrive(shop, "2", body)
    assert (done.state, done.serves) == ("refused", "1")
    assert words in done.reason
    assert runtime.asked == []
    assert meaning_of(shop.store, "de/DocSim") == "1"


@pytest.mark.parametrize(
    "key", ["training/1/job/output/model.tar.gz", "x/A/1/job/output/model.tar.gz", "model.tar.gz",
            "training/A.tar.gz/1/job/output/model.tar.gz"],
)  # fmt: skip
def test_a_key_that_does_not_say_which_model_is_refused(key):
    with pytest.raises(InvalidRequest):
        read_key("work", key)


def test_an_event_of_something_else_is_refused_with_what_it_was():
    with pytest.raises(InvalidRequest, match="scheduled"):
        read_event({"detail": "scheduled"})


def test_an_outcome_is_not_known_before_it_is_recorded(shop):
    with pytest.raises(outcome.NotYet, match=r"de/DocSim-9\.tar\.gz"):
        outcome.outcome_of(f"s3://work/{KEY.format('9')}", shop.s3)


def custom_resource(runtime, kind, bucket):
    return {
        "RequestType": kind,
        "ResponseURL": f"{runtime.url}/answer",
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "EmptiedBucket",
        "ResourceProperties": {"Bucket": bucket},
    }


def test_a_bucket_is_emptied_of_all_versions_when_its_stack_goes_and_not_before(shop, runtime):
    s3 = shop.s3
    s3.put_bucket_versioning(Bucket="work", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="work", Key="a", Body=body)
    s3.delete_object(Bucket="work", Key="a")
    empty_bucket.handler(custom_resource(runtime, "Create", "work"), None)
    assert len(s3.list_object_versions(Bucket="work")["Versions"]) == 2
    empty_bucket.handler(custom_resource(runtime, "Delete", "work"), None)
    assert "Versions" not in s3.list_object_versions(Bucket="work")
    assert [json.loads(body)["Status"] for _, _, body in runtime.asked] == ["SUCCESS", "SUCCESS"]


def test_a_bucket_that_cannot_be_emptied_is_answered_as_a_failure(shop, runtime):
    empty_bucket.handler(custom_resource(runtime, "Delete", "nobodys"), None)
    [(_, _, body)] = runtime.asked
    said = json.loads(body)
    assert said["Status"] == "FAILED"
    assert "NoSuchBucket" in said["Reason"]


def api_of(shop, clock=lambda: 0.0):
    config = Config(retries={"total_max_attempts": 1}, read_timeout=1)
    return Api(shop.store, boto3.client("sagemaker-runtime", config=config), "texts", clock)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (failing(424, "ModelError", OriginalStatusCode=415, OriginalMessage="own"), 415, "own"),
        (failing(424, "ModelError", OriginalStatusCode=500, OriginalMessage="own"), 502, "own"),
        (failing(424, "ModelError", OriginalStatusCode=0), 502, "failed to answer"),
        (failing(429, "ModelNotReadyException"), 503, "still being loaded"),
        (failing(429, "ThrottlingException"), 429, "too often"),
        (failing(503, "ServiceUnavailable"), 503, "busy"),
        (failing(400, "ValidationError"), 400, "words"),
        (failing(403, "AccessDeniedException"), 502, "AccessDeniedException"),
        ((200, {"Content-Length": "9"}, b"short"), 504, "not answered in time"),
    ],
)
def test_the_api_answers_errors_with_whose_fault_they_are(shop, runtime, answer, status, words):
    runtime.answers = [answer]
    said = api_of(shop).answer({"pathParameters": {"model_name": "A-1.tar.gz"}, "body": "x"})
    assert said["statusCode"] == status
    assert words in said["body"]
    assert "arn:" not in said["body"]
    if status in (429, 503):
        assert said["headers"]["retry-after"] == "5"


def test_the_api_passes_bytes_and_attributes_both_ways(shop, runtime):
    more = {"Content-Type": "image/png", "X-Amzn-SageMaker-Custom-Attributes": "back"}
    runtime.answers = [(200, more, b"\x89PNG")]
    said = api_of(shop).answer({
        "pathParameters": {"model_name": "A-1.tar.gz"},
        "headers": {"Content-Type": "image/png", "Accept": "image/png", "Cookie": "c",
                    "x-amzn-sagemaker-custom-attributes": "there"},
        "body": "iVBORw==", "isBase64Encoded": True,
    })  # fmt: skip
    assert (said["body"], said["isBase64Encoded"]) == ("iVBORw==", True)
    assert said["headers"]["x-amzn-sagemaker-custom-attributes"] == "back"
    [(_, headers, body)] = runtime.asked
    assert body == b"\x89PNG"
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "there"
    assert "Cookie" not in headers


def test_an_answer_that_no_function_can_pass_says_so(shop, runtime):
    runtime.answers = [(200, {}, b"x" * (4 * 1024 * 1024 + 1))]
    said = api_of(shop).answer({"pathParameters": {"model_name": "A-1.tar.gz"}, "body": "x"})
    assert said["statusCode"] == 502
    assert "ask the endpoint itself" in said["body"]


def test_the_api_hears_of_a_switched_alias_within_seconds(shop):
    now = [0.0]
    api = api_of(shop, lambda: now[0])
    for version in ("1", "2"):
        shop.s3.put_object(Bucket="models", Key=f"live/A-{version}.tar.gz", Body=b"x")
    assert api.target_of("A") is None
    set_alias(shop.store, "A", "1")
    assert api.target_of("A") == "A-1.tar.gz"  # that there is none is not kept
    set_alias(shop.store, "A", "2")
    assert api.target_of("A") == "A-1.tar.gz"
    now[0] = 5.0
    assert api.target_of("A") == "A-2.tar.gz"


def test_aliases_that_cannot_be_read_are_no_missing_models(shop):
    shop.s3.put_object(Bucket="models", Key="live/models-id.json", Body=b"no json")
    said = api_of(shop).answer({"pathParameters": {"model_name": "A"}, "body": "x"})
    assert said["statusCode"] == 503
    away = Api(open_s3("s3://nobodys/"), None, "texts")
    assert away.answer({"pathParameters": {"model_name": "A"}})["statusCode"] == 503


def test_an_arrival_that_is_gone_is_raised_with_where_it_was(shop):
    with pytest.raises(TargetNotFound, match="s3://work/training/de/DocSim/7/job"):
        publish(read_key("work", KEY.format("7")), shop, time_left_s=lambda: 60.0)
