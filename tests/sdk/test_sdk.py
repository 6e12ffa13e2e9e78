"""Scripts for Amazon's SageMaker SDK, version 2, run against an endpoint as they are."""

from __future__ import annotations

from tests.sdk.conftest import BUCKET


def test_a_model_is_deployed_asked_updated_and_deleted(scripts):
    said = scripts.run("deploy_model.py", BUCKET)
    assert len(said["rows"]) == 2
    assert said["csv"] == [[said["rows"][0]]]
    assert said["refused"] == "ModelError 400"
    assert (said["status"], said["instances"], said["left"]) == ("InService", 2, [])


def test_models_below_a_prefix_are_added_and_asked_by_name(scripts):
    said = scripts.run("multi_data_model.py", BUCKET)
    assert len(said["pairs"]["similarities"]) == 1
    assert len(said["phrases"]["results"]) == 1
    assert said["refused"] == "ValidationError"
    assert said["listed"] == ["TopicalPageRank.tar.gz", "de/DocSim.tar.gz"]


def test_two_models_are_deployed_as_a_pipeline(scripts):
    said = scripts.run("pipeline_model.py", BUCKET)
    assert len(said["answer"]["results"]) == 2
    assert "Received client error (400) from container-1 with message" in said["refused"]
    assert said["left"] == []


def test_a_batch_is_transformed_and_waited_for(scripts):
    lines = scripts.run("transform.py", BUCKET)["lines"]
    assert [line.rsplit(",", 1)[0] for line in lines] == ["Impfstoff,Impfungen", "Erde,Strom"]
    assert all(-1 <= float(line.rsplit(",", 1)[1]) <= 1 for line in lines)


def test_an_asynchronous_endpoint_answers_waits_and_tells_topics(scripts):
    said = scripts.run("async_predictor.py", BUCKET)
    first, *others = said["answers"]
    assert len(first["similarities"]) == 1
    assert others == [first, first]
    assert "400" in said["refused"]
    assert said["told"] == ["Completed", "Completed", "Completed", "Failed"]
    assert "first" in said["ids"]
