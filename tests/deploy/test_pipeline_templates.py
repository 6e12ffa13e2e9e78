"""What the pipeline's templates take: the package of functions, the build's steps, the stages.

Lint and rules of all templates are tests/deploy/test_aws_templates.py's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore
import pytest
from cfnlint.decode import cfn_yaml

from deploy.aws import training_plan
from deploy.aws.package import package
from tests.support.endpoint import PROJECT

AWS = PROJECT / "deploy" / "aws"
TEMPLATES = ("pipeline.yml", "api.yaml")
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six.py")
"""What a function finds beside its package."""


def resources(name):
    return cfn_yaml.load(str(AWS / name))["Resources"]


def of_kind(name, kind):
    return {key: each for key, each in resources(name).items() if each["Type"] == kind}


def test_the_package_has_all_that_its_functions_import(tmp_path):
    functions, machine = package(tmp_path / "out")
    assert json.loads(machine.read_text())["StartAt"] == "EachModel"
    with zipfile.ZipFile(functions) as archive:
        archive.extractall(tmp_path / "task")
    site = tmp_path / "site"
    site.mkdir()
    for name in RUNTIME:
        (site / name).symlink_to(Path(botocore.__file__).parents[1] / name)
    handlers = [
        each["Properties"]["Handler"]
        for name in TEMPLATES
        for each in of_kind(name, "AWS::Lambda::Function").values()
    ]
    assert len(handlers) == 4
    imports = "; ".join(
        f"import {module}; assert callable({module}.{function})"
        for module, _, function in (each.rpartition(".") for each in handlers)
    )
    script = f"import sys; sys.path[:0] = [{str(tmp_path / 'task')!r}, {str(site)!r}]; {imports}"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True, timeout=60, cwd=tmp_path)


def test_the_same_sources_make_the_same_package(tmp_path):
    first, second = (package(tmp_path / each)[0].read_bytes() for each in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_function_has_a_log_that_ends_and_a_role_of_its_own(name):
    logs, functions = of_kind(name, "AWS::Logs::LogGroup"), of_kind(name, "AWS::Lambda::Function")
    roles = []
    for function in functions.values():
        properties = function["Properties"]
        assert properties["LoggingConfig"]["LogGroup"]["Ref"] in logs
        roles.append(properties["Role"]["Fn::GetAtt"][0])
    assert len(set(roles)) == len(functions)


def test_prod_alone_waits_for_approval_and_does_so_before_it_trains():
    stages = resources("pipeline.yml")["Pipeline"]["Properties"]["Stages"]
    names = [each["Name"] if "Name" in each else each["Fn::If"] for each in stages]
    assert [each for each in names if isinstance(each, str)] == ["Source", "Build", "Train"]
    condition, approval, otherwise = names[2]
    assert condition == "IsProd"
    assert approval["Actions"][0]["ActionTypeId"]["Category"] == "Approval"
    assert otherwise == {"Ref": "AWS::NoValue"}


def test_the_api_has_no_route_without_authorization():
    [route] = of_kind("api.yaml", "AWS::ApiGatewayV2::Route").values()
    assert route["Properties"]["AuthorizationType"] == {"Fn::If": ["ByTokens", "JWT", "AWS_IAM"]}
    [stage] = of_kind("api.yaml", "AWS::ApiGatewayV2::Stage").values()
    log = stage["Properties"]["AccessLogSettings"]["Format"]
    assert set(json.loads(log)) >= {"caller", "subject", "status", "path"}


TOOLS = {
    "docker": """#!/bin/bash
echo "docker $*" >> "$CALLS"
case "$1" in
  login) cat > /dev/null ;;
  inspect) echo "$IMAGE@sha256:0a" ;;
  run) shift; while [[ $1 != /src/* ]]; do shift; done
       PYTHONPATH=$PROJECT exec "$PYTHON" "${@//\\/src/$PWD}" ;;
esac
""",
    "aws": """#!/bin/bash
echo "aws $*" >> "$CALLS"
""",
}


def test_the_build_pushes_the_image_says_what_to_train_and_uploads_the_corpora(tmp_path):
    (tmp_path / "deploy").symlink_to(PROJECT / "deploy")
    (tmp_path / "models").symlink_to(PROJECT / "models")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in TOOLS.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    calls = tmp_path / "calls"
    build = cfn_yaml.load(str(AWS / "buildspec.yml"))
    [script] = build["phases"]["build"]["commands"]
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, timeout=100, check=False, text=True,
        capture_output=True,
        env={"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(calls), "HOME": str(tmp_path),
             "IMAGE": "1.dkr.example/mme", "WORK": "s3://work/", "PYTHON": sys.executable,
             "PROJECT": str(PROJECT)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    [artifact] = build["artifacts"]["files"]
    plan = json.loads((tmp_path / artifact).read_text())
    switches = json.loads((PROJECT / "models" / "models_to_be_trained.json").read_text())
    assert [each["name"] for each in plan["models"]] == [
        name for name, on in switches.items() if on
    ]
    assert plan["image"] == "1.dkr.example/mme@sha256:0a"
    said = calls.read_text()
    assert f"docker push 1.dkr.example/mme:{plan['version']}" in said
    [(folder, place)] = plan["corpora"].items()
    assert f"aws s3 cp --recursive {folder} {place}" in said
    assert {each["corpus"] for each in plan["models"]} == {place}


def test_a_plan_that_cannot_be_made_ends_the_build_with_its_reason(tmp_path, capsys):
    (tmp_path / "models_to_be_trained.json").write_text('{"DocSimm": true}')
    arguments = [str(tmp_path), "--work", "s3://w/", "--id", "1", "--image", "i"]
    assert training_plan.main(arguments) == 1
    assert "is DocSim meant?" in capsys.readouterr().err


def test_a_corpus_in_s3_is_trained_on_where_it_is(tmp_path, capsys):
    (tmp_path / "models_to_be_trained.json").write_text('{"DocSim": true}')
    (tmp_path / "DocSim").mkdir()
    (tmp_path / "DocSim/DocSim-params.json").write_text('{"train_df": "c.csv"}')
    (tmp_path / "DocSim/inputData.json").write_text('{"Training": {"Uri": "s3://corpora/de/"}}')
    arguments = [str(tmp_path), "--work", "s3://w/", "--id", "1", "--image", "i"]
    assert training_plan.main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["corpora"] == {}
    [model] = said["models"]
    assert (model["corpus"], model["output"]) == ("s3://corpora/de/", "s3://w/training/DocSim/1")
    assert all(isinstance(value, str) for value in model["hyperparameters"].values())
