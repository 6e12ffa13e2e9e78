"""The operator's file of pipelines: whatever it says is read, or refused with a place."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from mme.core.pipeline_key import PipelineKey, Step, key_of_steps, read_key
from mme.pipelines.reading import PipelineError, read_pipelines
from tests.support.fuzzing import fuzz

TEXTS = st.text(max_size=20) | st.sampled_from(
    ["a.tar.gz", "s3://b/a.tar.gz", "http://x:8080/invocations", "https://", "http://[", "..", ""]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
MEMBERS = st.sampled_from(["model", "url", "targets", "name", "accept", "timeout_s", "other"])
STEPS = TEXTS | VALUES | st.dictionaries(MEMBERS, VALUES, max_size=3)
PIPELINES = st.dictionaries(TEXTS | st.just("p"), st.lists(STEPS, max_size=4) | VALUES, max_size=3)


def _read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipelines.json"
        path.write_bytes(content)
        try:
            found = read_pipelines(path)
        except PipelineError as error:
            assert str(error)  # noqa: PT017 - whatever is raised is one of these
            return
    for name, pipeline in found.items():
        assert pipeline.name == name
        for step in pipeline.steps:
            assert bool(step.url) != (bool(step.key) or step.is_targeted)


def test_whatever_a_file_says_it_is_read_or_refused():
    assert fuzz(lambda content: _read(json.dumps(content).encode()), PIPELINES)
    assert fuzz(_read, st.binary(max_size=100))


def _there_and_back(name: str, steps: list[tuple[str, str, str]], target: str) -> None:
    given = tuple(Step(*step) for step in steps)
    assert read_key(key_of_steps(name, given)) == PipelineKey(name, steps=given)
    assert read_key(str(PipelineKey(name, target))) == PipelineKey(name, target)


def test_a_key_says_what_it_was_made_of():
    line = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=10)
    names = st.from_regex(r"[A-Za-z0-9-]{1,63}", fullmatch=True)
    steps = st.lists(st.tuples(names, line, line), min_size=1, max_size=3)
    assert fuzz(_there_and_back, names, steps, line)
