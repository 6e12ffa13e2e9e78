"""Transform jobs by the control plane's operations, over a real database."""

import asyncio
import datetime as dt

import botocore.session
import pytest
from botocore.validate import ParamValidator

from mme.core.database import Database
from mme.core.errors import StateUnavailable
from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.records import Record, Records
from mme.jobs.transform import ledger
from mme.jobs.transform.operations import Operations
from mme.jobs.transform.service import TransformJobs
from tests.support.transforming import FakeModel, MemoryPlaces, refusal

SERVICE = botocore.session.get_session().get_service_model("sagemaker")
MODELS = {
    "one": {"ModelDataUrl": "s3://models/DocSim.tar.gz"},
    "many": {"ModelDataUrl": "s3://models/all/", "Mode": "MultiModel"},
}
OVER = ("Completed", "Failed", "Stopped")


def request(name="job", model="one", **more):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/in/"}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {"DataSource": {"S3DataSource": source}, "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": "s3://data/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    }


class Plane:
    """The operations, called as a client that has botocore's model would."""

    def __init__(self, folder, places, model):
        self.folder, self.places, self.model = folder, places, model
        self.now_s = 1_700_000_000.0

    async def start(self):
        self.database = Database(self.folder / "state.sqlite")
        records = await Records.open(self.database)
        for name, container in MODELS.items():
            content = {"ModelName": name, "PrimaryContainer": container}
            await records.put(Record("model", name, f"arn:{name}", 0, 0, content))
        self.jobs = TransformJobs(
            records, self.database, self.places, self.model, clock=lambda: self.now_s
        )
        await self.jobs.go_on()
        self.operations = Operations(records, self.jobs, clock=lambda: self.now_s).operations()

    async def stop(self):
        await self.jobs.close()
        self.database.close()

    async def call(self, name, **members):
        answer = await self.operations[name](members)
        shape = SERVICE.operation_model(name).output_shape
        if shape is not None:
            report = ParamValidator().validate(answer, shape)
            assert not report.has_errors(), report.generate_report()
            assert not set(answer) - set(shape.members)
        return answer

    async def status(self, name="job"):
        return (await self.call("DescribeTransformJob", TransformJobName=name))[
            "TransformJobStatus"
        ]

    async def ended(self, name="job"):
        """What is described of a job when it is over."""
        async with asyncio.timeout(20):
            while (await self.status(name)) not in OVER:  # noqa: ASYNC110 - as a client does
                await asyncio.sleep(0.01)
        return await self.call("DescribeTransformJob", TransformJobName=name)


@pytest.fixture
def places():
    return MemoryPlaces({"s3://data/in/a.csv": b"x\ny\n", "s3://data/in/sub/b.csv": b"z\n"})


@pytest.fixture
def model():
    return FakeModel(bytes.upper)


@pytest.fixture
async def plane(tmp_path, places, model):
    plane = Plane(tmp_path, places, model)
    await plane.start()
    yield plane
    await plane.stop()


async def test_a_job_is_created_described_and_completes(plane, places, model):
    arn = (await plane.call("CreateTransformJob", **request()))["TransformJobArn"]
    assert arn.endswith(":transform-job/job")
    told = await plane.ended()
    assert (told["TransformJobStatus"], told["TransformJobArn"]) == ("Completed", arn)
    assert told["TransformInput"] == request()["TransformInput"]
    assert told["CreationTime"] == dt.datetime.fromtimestamp(plane.now_s, dt.UTC)
    assert {"TransformStartTime", "TransformEndTime"} <= set(told)
    assert "FailureReason" not in told
    assert places.objects["s3://data/out/a.csv.out"] == b"X\nY\n"
    assert places.objects["s3://data/out/sub/b.csv.out"] == b"Z\n"
    assert model.asked[0][0] == "s3://models/DocSim.tar.gz"


async def test_what_is_known_of_single_objects_goes_with_the_job(plane, monkeypatch):
    monkeypatch.setattr(ledger, "FORGOTTEN_AT_ONCE", 1)
    await plane.call("CreateTransformJob", **request())
    await plane.ended()
    await asyncio.gather(*plane.jobs._running.values())
    count = "SELECT count(*) FROM transform_inputs"
    assert await plane.database.run(lambda db: db.execute(count).fetchone()) == (0,)


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({"MME_TARGET_MODEL": "de/a.tar.gz"}, ["de/a.tar.gz", "de/a.tar.gz"]),
        ({"MME_TARGET_PATTERN": "{folder}/m.tar.gz"}, ["m.tar.gz", "sub/m.tar.gz"]),
    ],
)
async def test_the_environment_names_the_targets_of_a_multi_model_one(
    plane, model, environment, asked
):
    await plane.call("CreateTransformJob", **request(model="many", Environment=environment))
    assert (await plane.ended())["TransformJobStatus"] == "Completed"
    assert [target for target, _ in model.asked] == [f"s3://models/all/{each}" for each in asked]


async def test_a_name_is_taken_once(plane):
    await plane.call("CreateTransformJob", **request())
    with pytest.raises(ControlPlaneError) as caught:
        await plane.call("CreateTransformJob", **request())
    assert caught.value.code == "ResourceInUse"
    assert "must be unique" in caught.value.message


async def test_two_at_once_of_one_name_are_one(plane):
    outcomes = await asyncio.gather(
        *(plane.call("CreateTransformJob", **request()) for _ in range(3)), return_exceptions=True
    )
    codes = [getattr(each, "code", "created") for each in outcomes]
    assert sorted(codes) == ["ResourceInUse", "ResourceInUse", "created"]


@pytest.mark.parametrize("operation", ["DescribeTransformJob", "StopTransformJob"])
async def test_a_job_that_is_not_there_is_not_found(plane, operation):
    with pytest.raises(ControlPlaneError) as caught:
        await plane.call(operation, TransformJobName="none")
    assert caught.value.code == "ResourceNotFound"
    assert caught.value.code in [
        shape.name for shape in SERVICE.operation_model(operation).error_shapes
    ]


def source(**members):
    data = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/in/"} | members
    return {"TransformInput": {"DataSource": {"S3DataSource": data}}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ModelName": "none"}, "Could not find model"),
        (source(S3DataType="AugmentedManifestFile"), "S3DataType AugmentedManifestFile"),
        (source(S3DataType="Converse"), "S3DataType Converse"),
        (source(S3Uri="https://s3.amazonaws.com/b/in"), "S3Uri 'https"),
        ({"TransformOutput": {"S3OutputPath": "s3://"}}, "S3OutputPath 's3://'"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "more than 100 MB"),
        ({"DataProcessing": {"InputFilter": "$.a_b"}}, "no underscore"),
        ({"ModelName": "many"}, "MME_TARGET_MODEL"),
        ({"ModelName": "many", "Environment": {"MME_TARGET_MODEL": "../a"}}, "no|not a plain path"),
        ({"Environment": {"MME_TARGET_MODEL": "a"}}, "one is one model"),
    ],
)
async def test_what_cannot_be_done_is_refused_at_once(plane, changes, why):
    with pytest.raises(ControlPlaneError, match=why) as caught:
        await plane.call("CreateTransformJob", **(request() | changes))
    assert caught.value.code == "ValidationException"
    assert (await plane.call("ListTransformJobs"))["TransformJobSummaries"] == []


async def test_a_bad_object_fails_the_job_and_the_others_have_outputs(plane, places, model):
    model._answer = lambda body: refusal(400) if body == b"z\n" else body
    await plane.call("CreateTransformJob", **request())
    told = await plane.ended()
    assert told["TransformJobStatus"] == "Failed"
    assert told["FailureReason"] == (
        "ClientError: 1 of 2 objects failed: s3://data/in/sub/b.csv: record 1:"
        " the model answers 400: no"
    )
    assert [uri for uri in places.objects if uri.endswith(".out")] == ["s3://data/out/a.csv.out"]


async def test_a_reason_is_as_long_as_the_service_allows(plane, model):
    model._answer = lambda _: refusal(400, b"x" * 100_000)
    data = request() | {"ModelName": "one"}
    data["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://data/" + "i" * 900
    plane.places.objects["s3://data/" + "i" * 900] = b"x"
    await plane.call("CreateTransformJob", **data)
    assert len((await plane.ended())["FailureReason"]) == 1024


async def test_a_prefix_with_nothing_fails_in_the_services_words(plane):
    await plane.call("CreateTransformJob", **(request() | source(S3Uri="s3://data/none/")))
    told = await plane.ended()
    assert told["FailureReason"] == (
        "ClientError: No S3 objects found under S3 URL 's3://data/none/'"
    )


async def test_a_manifest_that_is_not_there_fails_the_job(plane):
    data = source(S3DataType="ManifestFile", S3Uri="s3://data/manifest")
    await plane.call("CreateTransformJob", **(request() | data))
    assert "no manifest s3://data/manifest" in (await plane.ended())["FailureReason"]


class Held(FakeModel):
    """Answers nothing until it is let."""

    def __init__(self):
        super().__init__(bytes.upper)
        self.reached, self.let = asyncio.Event(), asyncio.Event()

    async def __call__(self, target, headers, body, terms):
        if body == b"z\n":
            self.reached.set()
            await self.let.wait()
        return await super().__call__(target, headers, body, terms)


@pytest.fixture
def held():
    return Held()


async def test_a_job_is_stopped(plane, places, held):
    plane.jobs._invoke = held
    await plane.call("CreateTransformJob", **request())
    await held.reached.wait()
    await plane.call("StopTransformJob", TransformJobName="job")
    told = await plane.ended()
    assert told["TransformJobStatus"] == "Stopped"
    assert "s3://data/out/sub/b.csv.out" not in places.objects
    with pytest.raises(ControlPlaneError, match="in status Stopped") as caught:
        await plane.call("StopTransformJob", TransformJobName="job")
    assert caught.value.code == "ValidationException"


async def test_a_job_goes_on_after_a_restart_where_it_was(plane, places, held):
    plane.jobs._invoke = held
    await plane.call("CreateTransformJob", **request())
    await held.reached.wait()
    assert await plane.status() == "InProgress"
    await plane.stop()
    asked = len(plane.model.asked)
    await plane.start()
    assert (await plane.ended())["TransformJobStatus"] == "Completed"
    assert plane.model.asked[asked:] == [("s3://models/DocSim.tar.gz", b"z\n")]
    assert places.objects["s3://data/out/sub/b.csv.out"] == b"Z\n"


async def test_a_job_that_was_stopping_when_the_endpoint_ended_is_stopped(plane, held):
    plane.jobs._invoke = held
    await plane.call("CreateTransformJob", **request())
    await held.reached.wait()
    plane.jobs.stop = lambda name: None
    await plane.call("StopTransformJob", TransformJobName="job")
    assert await plane.status() == "Stopping"
    await plane.stop()
    await plane.start()
    assert (await plane.ended())["TransformJobStatus"] == "Stopped"


async def test_only_so_many_jobs_run_at_a_time(plane, held):
    plane.jobs._invoke = held
    for number in range(6):
        await plane.call("CreateTransformJob", **request(f"job{number}"))
    await held.reached.wait()
    held.let.set()
    for number in range(6):
        assert (await plane.ended(f"job{number}"))["TransformJobStatus"] == "Completed"
    assert held.most_running <= 4


async def test_jobs_are_listed_by_pages_in_an_order(plane):
    for name in ("b", "a", "c", "other"):
        plane.now_s += 1
        await plane.call("CreateTransformJob", **request(name))
        await plane.ended(name)

    async def names(**asked):
        found, token = [], None
        while True:
            page = asked | ({"NextToken": token} if token else {})
            answer = await plane.call("ListTransformJobs", **page)
            found += [each["TransformJobName"] for each in answer["TransformJobSummaries"]]
            token = answer.get("NextToken")
            if token is None:
                return found

    assert await names(MaxResults=1) == ["other", "c", "a", "b"]
    assert await names(MaxResults=3, SortBy="Name", SortOrder="Ascending") == [
        "a", "b", "c", "other"
    ]  # fmt: skip
    assert await names(MaxResults=2, SortBy="Status") == ["other", "c", "b", "a"]
    assert await names(NameContains="OTH") == ["other"]
    assert await names(StatusEquals="InProgress") == []
    late = dt.datetime.fromtimestamp(plane.now_s, dt.UTC)
    assert await names(CreationTimeAfter=late) == ["other"]
    assert await names(LastModifiedTimeBefore=late) == ["c", "a", "b"]


@pytest.mark.parametrize("token", ["x", "W10="])
async def test_a_token_of_another_list_is_refused(plane, token):
    with pytest.raises(ControlPlaneError, match="NextToken"):
        await plane.call("ListTransformJobs", NextToken=token)


async def test_a_fault_of_the_database_is_waited_out(tmp_path, places, model, monkeypatch):
    plane = Plane(tmp_path, places, model)
    await plane.start()
    run, faults = plane.database.run, [False, True, True, True, False, True, False, True, False]

    async def failing(work):
        if faults and faults.pop(0):
            raise StateUnavailable("database or disk is full")
        return await run(work)

    async def pause(_):
        await asyncio.sleep(0)

    monkeypatch.setattr(plane.jobs, "_sleep", pause)
    monkeypatch.setattr(plane.database, "run", failing)
    await plane.call("CreateTransformJob", **request())
    assert (await plane.ended())["TransformJobStatus"] == "Completed"
    assert not faults
    assert places.objects["s3://data/out/sub/b.csv.out"] == b"Z\n"
    await plane.stop()


async def test_outputs_that_are_not_whole_lie_where_they_are_cleared_up(tmp_path, places):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen: list[str] = []

    def answer(body):
        seen.extend(each.name for each in scratch.glob("mme-transform-*/*"))
        return body.upper()

    plane = Plane(tmp_path, places, FakeModel(answer))
    await plane.start()
    plane.jobs._scratch = scratch
    await plane.call("CreateTransformJob", **request())
    assert (await plane.ended())["TransformJobStatus"] == "Completed"
    assert set(seen) == {"0"}
    assert not list(scratch.iterdir())
    await plane.stop()
