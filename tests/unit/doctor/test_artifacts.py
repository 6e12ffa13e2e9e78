"""What a doctor finds wrong with artifacts, by admitting them; and stores in folders."""

from __future__ import annotations

import json
import shutil
from contextlib import aclosing

import pytest

from mme.app.modes import Mode, Platform
from mme.core.artifact import SAMPLE_REQUEST
from mme.core.settings import Settings
from mme.doctor.aliases import check_aliases
from mme.doctor.examination import Wish, examine
from mme.doctor.store import look_at_store
from models.registry import family
from tests.support.archives import tar_gz
from tests.support.endpoint import free_port
from tests.support.scripts import DOUBLING

GOOD, SAMPLED = "de/Good.tar.gz", "de/Sampled.tar.gz"
BROKEN = {
    "broken/cut.tar.gz": "refused: ",
    "broken/no-gzip.tar.gz": "refused: ",
    "broken/no-model.tar.gz": "ArtifactError: ",
    "broken/leads-out.tar.gz": "refused: ",
}


def files_of_a_model(folder):
    """The files of a miniature that any endpoint serves."""
    model, mapped = folder / "model", folder / "mapped"
    model.mkdir()
    mapped.mkdir()
    family("Search").rehearse(model, mapped)
    return {
        path.relative_to(model).as_posix(): path.read_bytes()
        for path in model.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store with two good artifacts, of which one has a broken sample, and broken ones."""
    root = tmp_path_factory.mktemp("store")
    files = files_of_a_model(tmp_path_factory.mktemp("miniature"))
    good = tar_gz(files)
    contents = {
        GOOD: good,
        SAMPLED: tar_gz(files | {SAMPLE_REQUEST: b"no JSON"}),
        "broken/cut.tar.gz": good[: len(good) // 2],
        "broken/no-gzip.tar.gz": b"no archive at all",
        "broken/no-model.tar.gz": tar_gz({"read.me": b"nothing here"}),
        "broken/leads-out.tar.gz": tar_gz({"../outside": b"x"}),
    }
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return root


async def examined(wish, **settings):
    asked = Settings(port=free_port(), **settings)
    platform = Platform(Mode.STANDALONE, 8080)
    progress = []

    def note(done, whole):
        progress.append((done, whole))

    async with aclosing(examine(asked, platform, (), wish, note)) as found:
        return [finding async for finding in found], progress


async def test_what_is_wrong_with_each_artifact_is_told(folder):
    findings, progress = await examined(Wish(), store=str(folder))
    told = {each.facts["target_model"]: each for each in findings if each.check == "artifact"}
    assert set(told) == {*BROKEN, SAMPLED}
    for target, words in BROKEN.items():
        assert told[target].verdict == "failed"
        assert words in told[target].found
    assert told[SAMPLED].verdict == "warning"
    assert "no JSON" in told[SAMPLED].found
    last = next(each for each in findings if each.check == "artifacts")
    assert last.verdict == "failed"
    assert (last.facts["admitted"], last.facts["refused"]) == (2, len(BROKEN))
    assert {each["target_model"] for each in last.facts["models"]} == {GOOD, SAMPLED}
    assert progress[-1] == (6, 6)
    memory = next(each for each in findings if each.check == "memory")
    assert memory.facts["models_bytes"] > 0


async def test_artifacts_can_be_named_and_one_that_is_not_there_is_told(folder):
    findings, progress = await examined(Wish(named=(GOOD, "de/None.tar.gz")), store=str(folder))
    [missing] = [each for each in findings if each.check == "artifact"]
    assert missing.facts["target_model"] == "de/None.tar.gz"
    last = next(each for each in findings if each.check == "artifacts")
    assert (last.verdict, last.facts["admitted"]) == ("ok", 1)
    assert "were not looked at" in last.found
    assert progress[-1] == (1, 1)


async def test_artifacts_are_left_alone_where_that_is_wished(folder):
    findings, progress = await examined(Wish(artifacts=False), store=str(folder))
    assert {each.verdict for each in findings if each.check == "artifacts"} == {"skipped"}
    assert progress == []


async def test_bounds_of_admissions_that_are_too_low_are_named(folder):
    [finding] = [
        each
        for each in (
            await examined(Wish(named=(GOOD,)), store=str(folder), artifact_limit_bytes=100)
        )[0]
        if each.check == "artifact"
    ]
    assert "larger than 100 bytes" in finding.found
    assert "MME_ARTIFACT_LIMIT_BYTES" in finding.advice


@pytest.mark.parametrize(("allowed", "is_told"), [("", True), ("team/*", False)])
async def test_code_that_may_not_run_is_told(tmp_path, allowed, is_told):
    target = "team/Doubling.tar.gz"
    (tmp_path / "team").mkdir()
    (tmp_path / target).write_bytes(tar_gz({"code/inference.py": DOUBLING.encode()}))
    findings, _ = await examined(Wish(), store=str(tmp_path), allow_code=allowed)
    told = [each for each in findings if each.facts.get("target_model") == target]
    assert [each.verdict for each in told] == ["warning"] * is_told
    assert all("MME_ALLOW_CODE" in each.found for each in told)
    open_to = [each.found for each in findings if each.check == "openness"]
    assert any("team/*" in each for each in open_to) == (not is_told)


async def test_nothing_is_left_of_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    await examined(Wish(named=(GOOD,)), store=str(folder))
    assert [each for each in tmp_path.iterdir() if each.name.startswith("mme-")] == []


def verdicts(findings):
    return [(each.check, each.verdict) for each in findings]


def test_an_empty_store_is_told(tmp_path):
    found = look_at_store(Settings(store=str(tmp_path))).findings
    assert verdicts(found) == [("store: list", "warning")]
    assert "is empty" in found[0].found


def test_a_store_with_other_archives_is_told_with_one_of_them(tmp_path):
    (tmp_path / "model.tgz").write_bytes(b"")
    [finding] = look_at_store(Settings(store=str(tmp_path))).findings
    assert "model.tgz" in finding.found
    assert ".tar.gz" in finding.advice


def test_a_store_that_is_no_folder_is_told(tmp_path):
    found = look_at_store(Settings(store=str(tmp_path / "none"))).findings
    assert verdicts(found) == [("store", "failed")]


def test_that_the_samples_answer_is_told():
    found = look_at_store(Settings()).findings
    assert verdicts(found)[0] == ("store", "warning")


def test_what_looks_like_an_artifact_and_is_passed_over_is_told(tmp_path, folder):
    shutil.copy(folder / GOOD, tmp_path / "good.tar.gz")
    (tmp_path / "out.tar.gz").symlink_to(folder / GOOD)
    (tmp_path / "gone.tar.gz").symlink_to(tmp_path / "nowhere")
    looked = look_at_store(Settings(store=str(tmp_path)))
    assert [each.target for each in looked.offers] == ["good.tar.gz"]
    told = " ".join(each.found for each in looked.findings if each.check == "store")
    assert "out.tar.gz" in told
    assert "gone.tar.gz" in told


def test_a_name_that_no_client_can_ask_for_hides_no_other(tmp_path, folder):
    shutil.copy(folder / GOOD, tmp_path / "good.tar.gz")
    shutil.copy(folder / GOOD, tmp_path / "od\x1bd.tar.gz")
    looked = look_at_store(Settings(store=str(tmp_path)))
    assert [each.target for each in looked.offers] == ["good.tar.gz"]
    [finding] = [each for each in looked.findings if each.check == "store"]
    assert "unprintable" in finding.found


async def test_a_report_is_json(folder):
    findings, _ = await examined(Wish(named=(GOOD,)), store=str(folder))
    said = json.loads(json.dumps([each.to_json() for each in findings]))
    assert {"check", "verdict", "found"} <= said[0].keys()


def aliased(folder, content):
    (folder / "de").mkdir()
    (folder / "de" / "DocSim-7.tar.gz").write_bytes(tar_gz({"a": b""}))
    (folder / "de" / "models-id.json").write_text(content, "utf-8")
    return check_aliases(look_at_store(Settings(store=str(folder))))


def test_an_alias_whose_artifact_is_there_is_in_order(tmp_path):
    assert verdicts(aliased(tmp_path, '{"DocSim": "7"}')) == [("aliases", "ok")]


def test_an_alias_whose_artifact_is_not_there_is_told(tmp_path):
    [finding] = aliased(tmp_path, '{"DocSim": "8"}')
    assert finding.verdict == "failed"
    assert finding.facts["alias"] == "de/DocSim"
    assert "de/DocSim-8.tar.gz" in finding.found


def test_a_file_of_aliases_that_cannot_be_read_is_told(tmp_path):
    [finding] = aliased(tmp_path, "no JSON")
    assert finding.verdict == "failed"
    assert "models-id.json" in finding.found


def test_a_store_without_aliases_is_not_talked_about(tmp_path):
    assert check_aliases(look_at_store(Settings(store=str(tmp_path)))) == []
