"""`mme ensemble`, and the sample it makes: same answers as the same steps called one by one."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from mme.cli.main import main
from models.registry import load_model
from models.serving import Request

PROJECT = Path(__file__).parents[3]
SAMPLE = PROJECT / "models" / "Ensemble" / "FactCheckEnsemble"
MEMBERS = {"keyphrases": "TopicalPageRank", "search": "Search", "similarity": "DocSim"}
CLAIMS = (
    "Unter der Maske sammelt sich CO2",
    "Windräder töten mehr Vögel als Katzen",
    "Die Regierung plant eine neue Steuer auf Strom aus Solaranlagen.",
    "Xyzzy",
)


def options(members=MEMBERS):
    found = []
    for member, family in members.items():
        found += ["--member", f"{member}={PROJECT / 'artifacts' / family}.tar.gz"]
    return found


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample's archive."""
    folder = tmp_path_factory.mktemp("sample")
    assert main(["ensemble", str(SAMPLE), *options(), "--output", str(folder)]) == 0
    return folder / "FactCheckEnsemble.tar.gz"


@pytest.fixture(scope="module")
def loaded(sample):
    """The sample, and its members by themselves."""
    folder = unpack(sample, sample.parent / "unpacked")
    scratch = sample.parent / "mapped"
    members = {name: load_model(folder / name, scratch / name) for name in MEMBERS}
    return load_model(folder, scratch), members


def ask(model, body):
    raw = json.dumps(body).encode()
    return json.loads(model.predict(Request("application/json", None, raw)).body)


def one_by_one(members, claim, top_k=5):
    """What the sample's steps do, written out."""
    said = ask(members["keyphrases"], {"text": claim, "max_count": 5})["keyphrases"]
    phrases = [each["phrase"] for each in said]
    question = {"claim": " ".join([claim, *phrases]), "top_k": 20, "min_relevance": 0.5}
    matches = ask(members["search"], question)["matches"]
    texts = [match["claim_text"] for match in matches]
    pairs = {"pairs": [[claim, text] for text in texts]}
    likenesses = ask(members["similarity"], pairs)["similarities"]
    tagged = ask(members["similarity"], {"texts": texts, "want": "tags"})["results"]
    found = [
        {key: match[key] for key in ("id", "title", "claim_text", "relevance")}
        | {"similarity": likeness, "tags": [tag["tag"] for tag in tags["tags"]]}
        for match, likeness, tags in zip(matches, likenesses, tagged, strict=True)
    ]
    merits = [0.0] * len(found)
    for key in ("relevance", "similarity"):
        order = sorted(range(len(found)), key=lambda place: found[place][key], reverse=True)
        for rank, place in enumerate(order, 1):
            merits[place] += 1 / (60 + rank)
    best = sorted(range(len(found)), key=lambda place: -merits[place])[:top_k]
    return {"fact_checks": [found[place] for place in best], "keyphrases": phrases}


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_sample_answers_as_its_steps_do_one_by_one(loaded, claim):
    ensemble, members = loaded
    answer = ask(ensemble, {"claim": claim})
    assert answer == one_by_one(members, claim)
    assert bool(answer["fact_checks"]) == (claim != "Xyzzy")
    plain = ensemble.predict(Request("text/plain", None, claim.encode()))
    assert json.loads(plain.body) == answer


def test_the_sample_leaves_tags_out_where_they_are_not_wanted(loaded):
    ensemble, _ = loaded
    answer = ask(ensemble, {"claim": CLAIMS[0], "with_tags": False, "top_k": 1, "trace": True})
    (best,) = answer["fact_checks"]
    assert best["tags"] is None
    left_out = [each["step"] for each in answer["trace"]["steps"] if each.get("left_out")]
    assert left_out == ["tags"]


def test_the_same_members_give_the_same_archive(sample, tmp_path):
    assert main(["ensemble", str(SAMPLE), *options(), "--output", str(tmp_path)]) == 0
    assert (tmp_path / sample.name).read_bytes() == sample.read_bytes()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SAMPLE, tmp_path / "Own")
    return tmp_path / "Own"


def said_of(capsys, *arguments):
    assert main(["ensemble", *map(str, arguments)]) == 1
    return capsys.readouterr().err


def test_a_member_that_is_missing_is_named(capsys, folder, tmp_path):
    given = options({"search": "Search", "similarity": "DocSim"})
    said = said_of(capsys, folder, *given, "--output", tmp_path)
    assert said == (
        "mme ensemble: ensemble.json: a step asks the model keyphrases,"
        " and there is no folder keyphrases/\n"
    )
    assert not list(tmp_path.glob("*.tar.gz"))


def test_an_archive_that_is_none_is_named(capsys, folder, tmp_path):
    archive = tmp_path / "broken.tar.gz"
    archive.write_bytes(b"nothing")
    said = said_of(capsys, folder, "--member", f"search={archive}")
    assert "broken.tar.gz was refused: the archive is not gzip" in said
    archive.unlink()
    assert str(archive) in said_of(capsys, folder, "--member", f"search={archive}")


def test_nothing_in_the_folder_is_replaced(capsys, folder):
    (folder / "search").mkdir()
    (folder / "search" / "Search-model").touch()
    said = said_of(capsys, folder, *options())
    assert said == "mme ensemble: search/Search-model is there already\n"


@pytest.mark.parametrize("member", ["search", "=a.tar.gz", "../a=b.tar.gz", "search="])
def test_a_member_needs_a_name_and_an_archive(capsys, folder, member):
    assert f"NAME=ARCHIVE, not {member}" in said_of(capsys, folder, "--member", member)


def test_a_folder_that_is_no_ensemble_is_refused(capsys, tmp_path):
    unpack(PROJECT / "artifacts" / "DocSim.tar.gz", tmp_path / "DocSim")
    assert "of the family DocSim, no ensemble" in said_of(capsys, tmp_path / "DocSim")
    assert "no model: wanted" in said_of(capsys, tmp_path / "DocSim" / "..")


def test_an_address_is_no_place_to_write_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["ensemble", str(SAMPLE), *options(), "--output", "s3://bucket/models/"])
    assert ended.value.code == 2
    assert "--output: only places on this machine are written to" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
