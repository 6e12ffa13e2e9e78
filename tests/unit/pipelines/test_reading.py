"""The operator's file: what it says, and what is said of one that is off."""

from __future__ import annotations

import json

import pytest

from mme.pipelines.definition import Step
from mme.pipelines.reading import PipelineError, read_pipelines

MODEL = "a.tar.gz"


def written(tmp_path, content):
    path = tmp_path / "pipelines.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
    return path


def test_steps_are_models_urls_and_the_one_that_requests_choose(tmp_path):
    url = "http://formatter:8080/invocations"
    path = written(
        tmp_path,
        {
            "claims": [
                MODEL,
                {"name": "search", "model": "de/b.tar.gz", "accept": "application/json"},
                {"targets": "rank/"},
                url,
                {"url": "https://[::1]:443/x?y=z", "timeout_s": 5},
            ]
        },
    )
    assert read_pipelines(path)["claims"].steps == (
        Step("step-1", MODEL),
        Step("search", "de/b.tar.gz", accept="application/json"),
        Step("step-3", "rank/", is_targeted=True),
        Step("step-4", url=url),
        Step("step-5", url="https://[::1]:443/x?y=z", timeout_s=5.0),
    )


def test_artifacts_elsewhere_may_be_steps_and_targets(tmp_path):
    path = written(tmp_path, {"p": ["s3://b/a.tar.gz", {"targets": "s3://b/models/"}]})
    steps = read_pipelines(path)["p"].steps_for("x.tar.gz")
    assert [step.key for step in steps] == ["s3://b/a.tar.gz", "s3://b/models/x.tar.gz"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (7, "must be a text or an object"),
        ({}, "one of model, targets, url; it has 0"),
        ({"model": MODEL, "url": "http://x/y"}, "one of model, targets, url; it has 2"),
        ({"model": MODEL, "image": "x"}, "there is no member 'image'; there are model, targets"),
        ({"model": 7}, "'model' must be a text"),
        ({"targets": None}, "'targets' must be a text"),
        ("../a", "is not a plain path below the model store"),
        ({"targets": "/etc/"}, "is not a plain path below the model store"),
        ("", "The target model is empty"),
        ({"model": MODEL, "name": "a b"}, "the name 'a b' is none"),
        ({"model": MODEL, "name": "step-1"}, "another is called 'step-1' too"),
        ({"model": MODEL, "accept": "a\nb"}, "'accept' must be a header's value"),
        ({"model": MODEL, "timeout_s": 0}, "'timeout_s' must be a number of seconds above 0"),
        ({"model": MODEL, "timeout_s": True}, "'timeout_s' must be a number of seconds above 0"),
        ({"url": "ftp://x/y"}, "must begin with http:// or https://"),
        ({"url": "http:///y"}, "must begin with http:// or https://"),
        ({"url": "http://x:port/y"}, "is none: Port could not be cast"),
        ({"url": "http://[x/y"}, "is none: Invalid IPv6"),
        ("http://x:8080", "names no path; a SageMaker container answers at /invocations"),
        ("http://x/a b", "or spaces"),
        ("http://user:word@x/y", "has a user in it"),
        ("http://x/y#z", "has a '#' in it"),
    ],
)
def test_a_step_that_is_off_is_told_with_its_place(tmp_path, step, words):
    path = written(tmp_path, {"good": [MODEL, MODEL], "p": [MODEL, step]})
    with pytest.raises(PipelineError) as caught:
        read_pipelines(path)
    assert str(caught.value).startswith("pipeline 'p', step 2: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"p": [\n"a",]}', "line 2, column 5: it is no JSON"),
        ("[]", "it must be an object"),
        ("[" * 100_000, "it is no JSON"),
        ("9" * 5000, "it is no JSON"),
        ('{"p": ["a", "b"], "p": ["c", "d"]}', "'p' is there more than once"),
        ({"p": {}}, "pipeline 'p': it must be a list of steps"),
        ({"p": [MODEL]}, "pipeline 'p': it has 1 steps; a pipeline has 2 to 15"),
        ({"p": [MODEL] * 16}, "pipeline 'p': it has 16 steps; a pipeline has 2 to 15"),
        ({"a/b": [MODEL, MODEL]}, "pipeline 'a/b': its name cannot be an endpoint's"),
        ({"p": [{"targets": ""}, {"targets": "x/"}]}, "step 2: 'targets' may be in one step"),
        ("x" * 1_100_000, "it has more than 1048576 bytes"),
    ],
)
def test_a_file_that_is_off_is_told(tmp_path, content, words):
    with pytest.raises(PipelineError) as caught:
        read_pipelines(written(tmp_path, content))
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(PipelineError, match="it cannot be read: No such file"):
        read_pipelines(tmp_path / "none.json")
