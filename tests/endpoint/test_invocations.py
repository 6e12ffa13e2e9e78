"""Invocations as an unmodified boto3 sends them, and as curl does."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config

from tests.support.aws import aws

TARGET = "X-Amzn-SageMaker-Target-Model"
TEXT = "Die Bundesregierung plant angeblich eine neue Steuer auf Strom aus Solaranlagen."
PAIR = ("Der Impfstoff verändert das Erbgut.", "Impfstoffe greifen nicht in das Erbgut ein.")


def as_csv(*rows) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def test_keyphrases_come_best_first(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="TopicalPageRank.tar.gz",
        ContentType="text/plain",
        Body=TEXT,
    )
    phrases = json.load(answer["Body"])
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert phrases
    assert all(phrase in TEXT.lower() for phrase, _ in phrases)
    scores = [score for _, score in phrases]
    assert scores == sorted(scores, reverse=True)


def test_similarities_are_strings_one_a_row(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="DocSim.tar.gz",
        ContentType="text/csv",
        Body=as_csv(PAIR, ("Der Impfstoff verändert das Erbgut.", "xyzzy")),
    )
    related, unknown = json.load(answer["Body"])
    assert 0 < float(related) <= 1
    assert unknown == "0.00"


def test_a_claim_finds_its_fact_checks_best_first(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="Search.tar.gz",
        ContentType="application/json",
        Body=json.dumps({"claim": "Unter der Maske sammelt sich CO2", "top_k": 3}),
    )
    matches = json.load(answer["Body"])["matches"]
    assert matches[0]["title"] == "Masken führen nicht zu einer gefährlichen Vergiftung mit CO2"
    assert list(matches[0]) == ["id", "score", "relevance", "title", "claim_text", "category"]
    scores = [match["score"] for match in matches]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_claim_as_plain_text_is_answered_as_csv_if_wanted(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="Search.tar.gz",
        ContentType="text/plain",
        Accept="text/csv",
        Body="Impfstoffe verändern das Erbgut".encode(),
    )
    rows = list(csv.DictReader(io.StringIO(answer["Body"].read().decode())))
    assert len(rows) == 10
    assert "Erbgut" in rows[0]["title"] + rows[0]["claim_text"]


def test_the_aws_command_line_is_answered_as_in_the_readme(endpoint, tmp_path):
    (tmp_path / "claim.txt").write_text("Impfstoffe verändern das Erbgut nicht.")
    printed = aws(
        "invoke-endpoint", "--endpoint-name", "demo", "--target-model", "TopicalPageRank.tar.gz",
        "--content-type", "text/plain", "--body", "fileb://claim.txt", "keyphrases.json",
        url=endpoint.url, folder=tmp_path,
    )  # fmt: skip
    assert json.loads(printed)["InvokedProductionVariant"] == "AllTraffic"
    phrases = [phrase for phrase, _ in json.loads((tmp_path / "keyphrases.json").read_text())]
    assert sorted(phrases) == ["erbgut", "impfstoffe"]


def test_a_target_in_a_folder_of_the_store_is_its_own_model(runtime, own_store):
    answers = [
        runtime.invoke_endpoint(
            EndpointName="x", TargetModel=target, ContentType="text/csv", Body=as_csv(PAIR)
        )["Body"].read()
        for target in ("DocSim.tar.gz", "de/DocSim.tar.gz")
    ]
    assert answers[0] == answers[1]


def test_the_route_of_the_sdks_local_mode_answers_the_same(endpoint, runtime):
    direct = requests.post(
        f"{endpoint.url}/invocations",
        headers={TARGET: "TopicalPageRank.tar.gz", "Content-type": "text/plain"},
        data=TEXT.encode(),
        timeout=60,
    )
    named = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="TopicalPageRank.tar.gz",
        ContentType="text/plain",
        Body=TEXT,
    )
    assert direct.content == named["Body"].read()


def test_a_program_is_redirected_by_the_environment_alone(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", endpoint.url)
    client = boto3.client(
        "sagemaker-runtime", region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    answer = client.invoke_endpoint(
        EndpointName="e-p-2", TargetModel="DocSim.tar.gz", ContentType="text/csv", Body=as_csv(PAIR)
    )
    assert len(json.load(answer["Body"])) == 1


def test_many_requests_at_once_get_their_own_answers(runtime):
    texts = [f"{PAIR[0]} Strom {'Steuer ' * n}" for n in range(16)]

    def ask(text):
        answer = runtime.invoke_endpoint(
            EndpointName="demo",
            TargetModel="DocSim.tar.gz",
            ContentType="text/csv",
            Body=as_csv((text, PAIR[1])),
        )
        return json.load(answer["Body"])

    one_by_one = [ask(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, texts)) == one_by_one


def test_json_in_and_out(runtime):
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="DocSim.tar.gz",
        ContentType="application/json",
        Accept="application/json, text/csv;q=0.5",
        Body=json.dumps(
            {"query": PAIR[0], "documents": ["Katzen schlafen viel.", PAIR[1]], "top_k": 1}
        ),
    )
    matches = json.load(answer["Body"])["matches"]
    assert [match["index"] for match in matches] == [1]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"query": "Ein Impfstoff", "top_k": 1}, {"matches": [("b", 1)]}),
        ({"query": "xyzzy"}, {"matches": []}),
        ({"text": "Der Impfstoff wirkt", "want": "tags"}, {"tags": [("Impfung", 1.0)]}),
    ],
    ids=["documents", "no known word", "tags"],
)
def test_documents_and_taxonomy_of_an_artifact_are_asked_by_json(
    runtime, own_store, asked, answered
):
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="library.tar.gz",
        ContentType="application/json",
        Body=json.dumps(asked),
    )
    found = json.load(answer["Body"])
    if "tags" in found:
        assert {"tags": [(tag["tag"], tag["similarity"]) for tag in found["tags"]]} == answered
    else:
        matches = [(match["id"], match["index"]) for match in found["matches"]]
        assert {"matches": matches} == answered


def test_a_body_that_is_the_path_of_a_file_is_text(runtime, tmp_path):
    secret = tmp_path / "Geheimnis.txt"
    secret.write_text("Sprengstoff Sprengstoff Sprengstoff Tresor Tresor")
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="TopicalPageRank.tar.gz",
        ContentType="text/plain",
        Body=str(secret),
    )
    assert b"sprengstoff" not in answer["Body"].read().lower()


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "de/../DocSim.tar.gz"])
def test_no_target_leads_out_of_the_store(runtime, name):
    with pytest.raises(runtime.exceptions.ValidationError):
        runtime.invoke_endpoint(EndpointName="demo", TargetModel=name, Body=b"x")


def test_an_unknown_target_is_a_validation_error_that_names_the_place_tried(runtime, store_dir):
    with pytest.raises(runtime.exceptions.ValidationError) as caught:
        runtime.invoke_endpoint(EndpointName="demo", TargetModel="de/none.tar.gz", Body=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    told = caught.value.response["Message"]
    assert "<store>/de/none.tar.gz" in told
    assert str(store_dir) not in told  # where the store is, is the host's business
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_a_missing_target_is_a_validation_error_that_names_the_header(runtime):
    with pytest.raises(runtime.exceptions.ValidationError, match=TARGET):
        runtime.invoke_endpoint(EndpointName="demo", Body=b"x")


def test_a_target_with_umlauts_is_looked_up_under_its_own_name(runtime):
    with pytest.raises(runtime.exceptions.ValidationError, match=r"größe\.tar\.gz"):
        runtime.invoke_endpoint(EndpointName="demo", TargetModel="größe.tar.gz", Body=b"x")


@pytest.mark.parametrize("name", ["garbage", "truncated", "climbing"])
def test_an_archive_that_cannot_be_unpacked_is_refused_by_name(runtime, endpoint, name, own_store):
    with pytest.raises(runtime.exceptions.ValidationError, match=rf"{name}\.tar\.gz"):
        runtime.invoke_endpoint(EndpointName="demo", TargetModel=f"{name}.tar.gz", Body=b"x")
    for folder in (endpoint.scratch, endpoint.run_dir_parent):
        assert not list(folder.rglob("climbed"))


@pytest.mark.parametrize("name", ["strange", "hollow", "hostile", "damaged"])
def test_an_artifact_that_is_no_model_is_a_model_error_with_the_reason(runtime, store_dir, name):
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName="demo", TargetModel=f"{name}.tar.gz", Body=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert caught.value.response["OriginalStatusCode"] == 500
    reason = json.loads(caught.value.response["OriginalMessage"])
    assert reason["type"] == "ArtifactError"
    assert reason["target_model"] == f"{name}.tar.gz"
    assert "Traceback" not in reason["message"]
    assert not (store_dir / "pwned").exists()


KEYPHRASES, SIMILARITY = "TopicalPageRank.tar.gz", "DocSim.tar.gz"
WRONG_TYPE = {"ContentType": "image/png", "Body": b"x"}
BAD_REQUESTS = [
    (KEYPHRASES, WRONG_TYPE, 415, "UnsupportedContentType"),
    (SIMILARITY, WRONG_TYPE, 415, "UnsupportedContentType"),
    (KEYPHRASES, {"ContentType": "text/plain", "Accept": "image/png"}, 406, "NotAcceptable"),
    (SIMILARITY, {"ContentType": "text/csv", "Accept": "image/png"}, 406, "NotAcceptable"),
    (KEYPHRASES, {"ContentType": "text/plain", "Body": b""}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "text/csv", "Body": b""}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "text/csv", "Body": b"only one"}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "application/json", "Body": b"{"}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "application/json", "Body": b"[" * 100_000}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "text/csv", "Body": b"a" * 1_000_001 + b",b"}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "text/csv", "Body": b"a,b\n" * 100_001}, 400, "BadInput"),
    (SIMILARITY, {"ContentType": "text/csv", "Body": b"a\0,b"}, 400, "BadInput"),
    (KEYPHRASES, {"ContentType": "application/json", "Body": b"[" * 100_000}, 400, "BadInput"),
    (KEYPHRASES, {"ContentType": "text/plain", "Body": b"\xff\xfe\xfa"}, 400, "BadInput"),
]


@pytest.mark.parametrize(("target", "asked", "status", "kind"), BAD_REQUESTS)
def test_bad_input_is_a_model_error_with_a_fitting_status(runtime, target, asked, status, kind):
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(
            EndpointName="demo", TargetModel=target, **({"Body": b"Wort,Wort"} | asked)
        )
    assert caught.value.response["OriginalStatusCode"] == status
    reason = json.loads(caught.value.response["OriginalMessage"])
    assert (reason["type"], reason["target_model"]) == (kind, target)
    assert "Traceback" not in caught.value.response["OriginalMessage"]


def test_six_mebibytes_are_let_through_and_one_byte_more_is_refused(runtime):
    limit = 6 * 1024 * 1024
    with pytest.raises(runtime.exceptions.ValidationError, match=str(limit)):
        runtime.invoke_endpoint(
            EndpointName="demo",
            TargetModel="DocSim.tar.gz",
            ContentType="text/csv",
            Body=b"a" * (limit + 1),
        )
    text = b"wort " * 200_000  # a text may have a million characters
    row = b'"' + text + b'","' + text + b'"\n'
    body = row * (limit // len(row))
    body += b'"Impfstoff","' + b"wort " * ((limit - len(body)) // 5 - 4) + b'"'
    assert limit - 20 < len(body) <= limit
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="DocSim.tar.gz",
        ContentType="text/csv",
        Body=body,
    )
    assert len(json.load(answer["Body"])) == 4


def test_paths_and_methods_that_do_not_exist_are_said_to(endpoint):
    for path in ("/", "/endpoints/demo", "/etc/passwd", "/models/..%2f..%2fetc"):
        answer = requests.post(endpoint.url + path, timeout=10)
        assert answer.status_code in (400, 404, 405), path
        assert answer.json()["Message"]
    answer = requests.get(f"{endpoint.url}/endpoints/demo/invocations", timeout=10)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("name", "words"), [("demo-2", TARGET), ("ä /b", "endpointName"), ("x" * 64, "endpointName")]
)
def test_an_endpoint_name_may_be_any_that_the_service_takes(endpoint, name, words):
    path = f"/endpoints/{urllib.parse.quote(name, safe='')}/invocations"
    answer = requests.post(endpoint.url + path, timeout=10)
    assert answer.status_code == 400
    assert words in answer.json()["Message"]
