"""A release: what is made, that it is whole, and that the wheel does the main job by itself."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mme.core.version import VERSION
from release import bill, numbers
from release.__main__ import PROJECT, planned, prepare
from release.bill import Part
from release.changelog import NoSection, Section, dated, sections
from release.image import Platforms, platforms
from release.making import changes_of, known, make, refusals
from release.packages import build_wheel, install, locked, locked_environment
from release.source import changed_files
from tests.support.earlier import aws
from tests.support.endpoint import running_endpoint
from tests.support.installed import Installed

pytestmark = pytest.mark.timeout(600)  # the first of them makes what all need
LOCK = PROJECT / "requirements" / "runtime.lock"
CHANGELOG = """\
# Changelog

## Unreleased

### Added
- A door.

## 0.9.0 - 2026-01-02

### Fixed
- A window.
"""
QUESTIONS = {
    "TopicalPageRank.tar.gz": ("text/plain", "Die Regierung plant eine neue Steuer auf Strom."),
    "DocSim.tar.gz": ("text/csv", "Die neue Steuer auf Strom,Eine Steuer auf Strom aus Sonne"),
    "Search.tar.gz": ("text/plain", "Impfungen verändern die Gene"),
}


@pytest.fixture(scope="session")
def scratch():
    # Sockets of the endpoint lie in it: a short path.
    with tempfile.TemporaryDirectory(prefix="mme-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def released(scratch):
    """The folder of a release of what is tracked here, without images."""
    plan = planned(None, is_try=True)
    folder = scratch / "dist" / VERSION
    said: list[str] = []
    make(type(plan)(PROJECT, VERSION, folder, plan.commit, plan.changes, None), said.append)
    assert len(said) == 2
    return folder


@pytest.fixture(scope="session")
def wheel(released):
    return released / f"mme-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="session")
def installed(released, wheel, scratch):
    lock = released / f"mme-{VERSION}-requirements.lock"
    python = locked_environment(lock, scratch / "environment")
    install(wheel, python)
    (scratch / "elsewhere").mkdir()
    return Installed(python, scratch / "elsewhere")


@pytest.fixture(scope="module")
def endpoint(installed, scratch):
    program = ("-c", "from mme.cli.main import run; run()", "serve")
    with running_endpoint(
        None, scratch, {"HOME": str(installed.folder)}, program=program,
        python=str(installed.python), folder=installed.folder,
    ) as running:  # fmt: skip
        yield running


def test_a_release_has_all_its_files_and_their_digests(released):
    stem = f"mme-{VERSION}"
    names = {path.name for path in released.iterdir()}
    assert names == {
        "CHANGES.md", "SHA256SUMS", f"{stem}-py3-none-any.whl", f"{stem}-source.tar.gz",
        f"{stem}-requirements.lock", f"{stem}.cdx.json",
    }  # fmt: skip
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=released, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.stdout.count(": OK") == len(names) - 1


def test_the_source_is_what_is_tracked_and_makes_the_same_wheel(released, wheel, tmp_path):
    with tarfile.open(released / f"mme-{VERSION}-source.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    tree = tmp_path / f"mme-{VERSION}"
    assert (tree / "tests" / "deploy" / "test_release.py").is_file()
    # The one sample that is not committed, as `make` makes it.
    with zipfile.ZipFile(wheel) as packed:
        name = "mme/samples/FactCheckEnsemble.tar.gz"
        (tree / "artifacts" / Path(name).name).write_bytes(packed.read(name))
        made_at = packed.getinfo(name).date_time
    moment = dt.datetime(*made_at, tzinfo=dt.UTC)
    again = build_wheel(tree, tmp_path, int(moment.timestamp()))
    assert _digest(again) == _digest(wheel)


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_changes_are_those_of_the_version(released):
    text = (released / "CHANGES.md").read_text("utf-8")
    assert text.startswith(f"# mme {VERSION}\n")
    assert changes_of(VERSION, known(PROJECT)).text in text


def test_the_bill_has_each_locked_package_at_its_version_and_nothing_else(released):
    said = json.loads((released / f"mme-{VERSION}.cdx.json").read_text("utf-8"))
    assert said["bomFormat"] == "CycloneDX"
    whole = said["metadata"]["component"]
    assert whole["name"] == "mme"
    (needs,) = (each for each in said["dependencies"] if each["ref"] == whole["bom-ref"])
    assert len(needs["dependsOn"]) == len(said["components"])
    found = {_folded(each["name"]): each["version"] for each in said["components"]}
    assert found == {_folded(name): version for name, version in locked(LOCK).items()}
    licensed = [each["name"] for each in said["components"] if each.get("licenses")]
    assert {"numpy", "boto3", "gensim"} <= set(licensed)


def _folded(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_bill_of_an_image_names_its_parts_by_package_urls(tmp_path):
    parts = [Part("deb", "libc6", "2.36-9+deb12u10"), Part("pypi", "numpy", "2.4.6")]
    pages = [tmp_path / "a.json", tmp_path / "b.json"]
    for page in pages:
        bill.write_image_bill("mme", "1.0.0", parts, page, 1_767_225_600)
    said = json.loads(pages[0].read_text())
    urls = {each["purl"] for each in said["components"]}
    assert urls == {"pkg:deb/debian/libc6@2.36-9%2Bdeb12u10", "pkg:pypi/numpy@2.4.6"}
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_what_the_wheel_depends_on_has_bounds_and_admits_what_is_locked(installed):
    code = "import importlib.metadata as m, json; print(json.dumps(m.requires('mme')))"
    needs = [Requirement(each) for each in json.loads(installed.run(code))]
    versions = {_folded(name): version for name, version in locked(LOCK).items()}
    ours = [need for need in needs if need.marker is None]
    assert len(ours) > 10
    for need in ours:
        assert need.specifier.contains(versions[_folded(need.name)]), str(need)
        assert any(each.operator in ("<", "==", "~=") for each in need.specifier), str(need)


def test_nothing_of_the_checkout_is_in_sight_of_the_wheel(installed):
    code = "import sys, mme, models, model_handler; print(mme.__path__[0], *sys.path, sep='\\n')"
    places = installed.run(code).splitlines()
    assert places[0].startswith(str(installed.python.parents[1]))
    assert not [place for place in places if str(PROJECT) in place]


def test_the_wheel_says_its_version_and_helps_with_each_command(installed):
    assert installed.mme("version").stdout.startswith(f"mme {VERSION} ")
    listed = installed.mme("--help").stdout
    commands = set(re.findall(r"^  ([a-z]+)  +[a-z]", listed.split("Commands:")[1], re.MULTILINE))
    assert {"serve", "train", "doctor", "invoke"} <= commands
    code = (
        "import contextlib, io, sys\nfrom mme.cli.main import main\n"
        f"for name in {sorted(commands)}:\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n"
        "        main([name, '--help'])\n"
        "    print(name, len(out.getvalue()) > 100)"
    )
    assert installed.run(code).splitlines() == [f"{name} True" for name in sorted(commands)]


@pytest.mark.parametrize("target", QUESTIONS)
def test_the_wheel_serves_the_samples_it_holds(endpoint, target):
    content_type, text = QUESTIONS[target]
    answer = aws("sagemaker-runtime", endpoint.url).invoke_endpoint(
        EndpointName="any", TargetModel=target, ContentType=content_type, Body=text.encode()
    )
    assert json.loads(answer["Body"].read())
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-mme-sample"] == "true"


def test_the_command_of_the_wheel_asks_a_sample_of_several_models(endpoint, installed):
    asked = installed.mme(
        "invoke", "FactCheckEnsemble.tar.gz", "--sample", MME_ENDPOINT=endpoint.url
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)


def test_the_wheel_trains_from_a_table_and_its_doctor_finds_the_artifact_well(installed, scratch):
    corpus = scratch / "claims.csv"
    lines = (PROJECT / "models" / "corpus" / "factchecks_en.csv").read_text("utf-8").splitlines()
    corpus.write_text("\n".join(lines[:40]) + "\n", "utf-8")
    made = installed.mme("train", "Search", "--corpus", str(corpus), "--language", "en")
    assert made.returncode == 0, made.stderr
    store = installed.folder / "artifacts"
    found = installed.mme("doctor", "--artifact", "Search.tar.gz", MME_STORE=str(store))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "all 1 are fit to serve" in found.stdout


def test_all_that_is_no_python_file_of_the_package_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as packed:
        held = set(packed.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "mme", "models"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    # What `mme ensemble` makes the sample of.
    wanted = {
        name for name in tracked
        if not name.startswith("models/Ensemble/FactCheckEnsemble/") and name != "mme/samples"
    }  # fmt: skip
    assert wanted - held == set()
    assert {"mme/samples/DocSim.tar.gz", "mme/samples/en/DocSim.tar.gz"} <= held


def test_the_version_is_said_in_one_place():
    assert numbers.current(PROJECT) == VERSION
    assert metadata("mme")["Name"] == "mme"
    said = rf"(mme|version|endpoint|newTag)\W{{1,5}}{re.escape(VERSION)}([^0-9]|$)"
    listed = subprocess.run(
        ["git", "grep", "-InE", said],
        cwd=PROJECT, check=False, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    places = {line.split(":")[0] for line in listed if ".lock:" not in line}
    assert places <= {numbers.PLACE, *numbers.REPEATED}


def _checkout(folder, *, changelog=CHANGELOG, version="0.9.0"):
    for name, form in {numbers.PLACE: 'VERSION = "{}"', **numbers.REPEATED}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"before\n{form.format(version)}\nafter\n")
    (folder / "CHANGELOG.md").write_text(changelog)
    return folder


def test_a_version_is_prepared_by_one_command(tmp_path):
    changed = prepare("1.0.0rc1", _checkout(tmp_path))
    assert {str(path.relative_to(tmp_path)) for path in changed} == {
        numbers.PLACE, *numbers.REPEATED, "CHANGELOG.md"
    }  # fmt: skip
    kustomization = tmp_path / "deploy/kubernetes/single/kustomization.yaml"
    assert "newTag: 1.0.0rc1" in kustomization.read_text()
    assert numbers.current(tmp_path) == "1.0.0rc1"
    assert (
        tmp_path / "docs/doctor.md"
    ).read_text() == "before\nstandalone endpoint 1.0.0rc1\nafter\n"
    found = sections((tmp_path / "CHANGELOG.md").read_text())
    assert list(found) == ["Unreleased", "1.0.0rc1", "0.9.0"]
    assert found["1.0.0rc1"].text == "### Added\n- A door."
    assert found["1.0.0rc1"].date == dt.datetime.now(dt.UTC).date().isoformat()
    assert not found["Unreleased"].has_lines


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ("1.0", numbers.NoVersion, "'1.0' is no version"),
        ("0.8.9", numbers.NoVersion, "0.8.9 is before 0.9.0"),
        ("0.9.0rc1", numbers.NoVersion, "is before"),
        ("0.9.0", NoSection, "has a section for 0.9.0 already"),
    ],
)
def test_a_version_that_cannot_follow_changes_nothing(tmp_path, version, error, words):
    _checkout(tmp_path)
    with pytest.raises(error, match=words):
        prepare(version, tmp_path)
    assert (tmp_path / "CHANGELOG.md").read_text() == CHANGELOG
    assert numbers.current(tmp_path) == "0.9.0"


def test_a_changelog_without_lines_is_not_dated():
    with pytest.raises(NoSection, match="nothing to release"):
        dated("## Unreleased\n\n### Added\n", "1.0.0", dt.date(2026, 1, 1))


GOOD = {"1.0.0": Section("1.0.0", "2026-01-01", "- A door."), "Unreleased": Section("U", None, "")}


@pytest.mark.parametrize(
    ("changed", "tags", "changelog", "is_made", "words"),
    [
        ([], ["v0.9.0"], GOOD, False, None),
        (["mme/x.py"], [], GOOD, False, "1 files that are not committed: mme/x.py"),
        ([], ["v1.0.0"], GOOD, False, "released already: there is the tag v1.0.0"),
        ([], [], GOOD, True, "dist/1.0.0 is there already"),
        ([], [], {}, False, "no dated section with lines for 1.0.0"),
        ([], [], {"1.0.0": Section("1.0.0", "2026-01-01", "### Added")}, False, "no dated section"),
        ([], [], GOOD | {"Unreleased": Section("U", None, "- New.")}, False, "move them to 1.0.0"),
    ],
)
def test_what_must_not_be_released_is_refused_with_the_reason(
    changed, tags, changelog, is_made, words
):
    said = refusals("1.0.0", changed, tags, changelog, is_made=is_made)
    assert len(said) == (words is not None)
    assert words is None or words in said[0]


def test_a_release_that_is_refused_ends_with_code_2_and_makes_nothing(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{PROJECT}", clone], check=True)
    (clone / "new.txt").write_text("not committed")
    ran = subprocess.run(
        [sys.executable, "-m", "release", "make"],
        cwd=clone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "not committed: new.txt" in ran.stderr
    assert not (clone / "dist").exists()
    (clone / "CHANGELOG.md").write_text("changed")
    (clone / "a folder").mkdir()
    (clone / "a folder" / "ü.txt").write_text("not committed")
    assert set(changed_files(clone)) == {"CHANGELOG.md", "a folder/ü.txt", "new.txt"}


def test_images_are_built_for_this_machine_and_those_the_kernel_emulates(tmp_path):
    alone = platforms("x86_64", tmp_path)
    assert alone.built == ("amd64",)
    assert "no emulator" in alone.left_out["arm64"]
    (tmp_path / "qemu-aarch64").write_text("enabled\ninterpreter /usr/bin/qemu-aarch64-static\n")
    assert platforms("x86_64", tmp_path) == Platforms(("amd64", "arm64"), {})
    (tmp_path / "qemu-aarch64").write_text("disabled\n")
    assert platforms("x86_64", tmp_path) == alone
