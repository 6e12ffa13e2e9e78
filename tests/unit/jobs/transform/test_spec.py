import pytest

from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.spec import Processing, Transform, from_request
from mme.jobs.transform.targets import TargetColumn, TargetPattern


def test_a_request_without_choices_has_the_services_defaults():
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}}
    transform = from_request({"TransformInput": source, "TransformOutput": {"S3OutputPath": "x"}})
    assert transform == Transform(
        split_type="None",
        strategy="MultiRecord",
        max_payload_mb=6,
        max_concurrent=1,
        assemble_with="None",
        compression="None",
        timeout_s=600,
        retries=3,
    )


def test_a_request_says_all_terms():
    transform = from_request(
        {
            "TransformInput": {
                "ContentType": "text/csv",
                "CompressionType": "Gzip",
                "SplitType": "Line",
            },
            "TransformOutput": {"Accept": "text/csv", "AssembleWith": "Line"},
            "BatchStrategy": "SingleRecord",
            "MaxPayloadInMB": 10,
            "MaxConcurrentTransforms": 10,
            "ModelClientConfig": {"InvocationsTimeoutInSeconds": 5, "InvocationsMaxRetries": 0},
            "DataProcessing": {"InputFilter": "$[1:]", "JoinSource": "Input"},
        }
    )
    assert transform == Transform(
        content_type="text/csv",
        accept="text/csv",
        split_type="Line",
        strategy="SingleRecord",
        max_payload_mb=10,
        max_concurrent=10,
        assemble_with="Line",
        compression="Gzip",
        processing=Processing.read("$[1:]", "$", "Input"),
        timeout_s=5,
        retries=0,
    )


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"max_payload_mb": 51, "max_concurrent": 2}, r"\(2\) times MaxPayloadInMB \(51\)"),
        ({"max_payload_mb": 101}, "MaxPayloadInMB is 101: it must be from 0 to 100"),
        ({"max_concurrent": 0}, "MaxConcurrentTransforms is 0"),
        ({"timeout_s": 3601}, "InvocationsTimeoutInSeconds is 3601"),
        ({"retries": 4}, "InvocationsMaxRetries is 4"),
        ({"split_type": "Word"}, "SplitType is 'Word'"),
        ({"processing": Processing.read(join="Input")}, "need the content type text/csv"),
    ],
)
def test_what_the_service_refuses_is_refused(terms, why):
    with pytest.raises(TransformRefused, match=why):
        Transform(**terms)


def test_a_payload_of_any_size_is_bounded_all_the_same():
    assert Transform(max_payload_mb=0, max_concurrent=50).payload_bytes == 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("{folder}/DocSim.tar.gz", "en/a/DocSim.tar.gz"),
        ("{stem}.tar.gz", "texts.tar.gz"),
        ("{key}-{name}", "en/a/texts.csv.gz-texts.csv.gz"),
    ],
)
def test_a_pattern_is_filled_in_from_the_key(pattern, target):
    targets = TargetPattern(pattern).of_input("en/a/texts.csv.gz")
    assert targets.of(b"record") == (target, b"record")


def test_a_pattern_without_a_folder_names_the_top():
    assert TargetPattern("{folder}/a.tar.gz").of_input("x.csv").target == "a.tar.gz"


@pytest.mark.parametrize("pattern", ["{Folder}/a", "{}/a", "a.tar.gz", "{folder/a"])
def test_a_pattern_with_nothing_to_fill_in_is_refused(pattern):
    with pytest.raises(TransformRefused, match="target pattern"):
        TargetPattern(pattern)


def test_a_target_column_needs_records_that_can_be_read():
    with pytest.raises(TransformRefused, match="text/plain"):
        TargetColumn("model", "text/plain")
