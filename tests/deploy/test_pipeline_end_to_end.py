"""Train, publish, alias, invoke, roll back: the pipeline's own parts, SageMaker by ourselves.

The state machine is interpreted by moto, the functions run as Lambda runs them, training is the
image's program, and the endpoint that is tried is ours, standalone, on the same bucket
(tests/support/pipeline_aws.py). Of the state machine one line is another: the `.sync` integration
of SageMaker, which moto lacks, is a function that answers as it does.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import threading
import uuid

import boto3
import pytest
from cfnlint.decode import cfn_yaml

from deploy.aws import training_plan
from deploy.aws.lambdas import api, outcome, publish
from mme.training.plan import make_plan
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.pipeline_aws import (
    CREDENTIALS,
    REGION,
    ROLE,
    Context,
    function_arn,
    running_aws,
    train,
)
from tests.support.waiting import eventually

AWS = PROJECT / "deploy" / "aws"
WORK, MODELS = "work", "models"
CORPUS = "id,title,claim_text\n" + "".join(
    f"{n},Titel {n},Der Impfstoff {n} schützt vor Corona Viren\n" for n in range(20)
)
SMALL = {"vector_size": "8", "min_count": "1", "epochs": "3"}
SYNC = "arn:aws:states:::sagemaker:createTrainingJob.sync"
PATIENCE_S = 300

pytestmark = pytest.mark.timeout(900)  # an endpoint starts and a model is trained


class World:
    """AWS with a pipeline in it, and an endpoint."""

    def __init__(self, aws, endpoint):
        self.aws, self.endpoint = aws, endpoint
        self.s3, self.sqs = aws.client("s3"), aws.client("sqs")
        self.sns, self.states = aws.client("sns"), aws.client("stepfunctions")
        self.topic = self.sns.create_topic(Name="told")["TopicArn"]
        self.told = self.queue("told")
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.arn(self.told))
        self.arrivals = self.queue("arrivals")
        self.delivering = []
        aws.functions |= {
            "train": self._train,
            "outcome": outcome.handler,
        }

    def queue(self, name):
        return self.sqs.create_queue(QueueName=name)["QueueUrl"]

    def arn(self, queue):
        asked = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return asked["Attributes"]["QueueArn"]

    def next_message(self, queue):
        """The next message; None: there is none."""
        for message in self.sqs.receive_message(QueueUrl=queue).get("Messages", []):
            self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None

    def told_of(self, subject):
        """The words that the topic was told under a subject."""
        message = eventually(
            lambda: self.next_message(self.told),
            lambda found: found is not None and found["Subject"] == subject,
            PATIENCE_S,
        )
        return message["Message"]

    def deliver(self):
        """Hand the next arrival to the publishing function, as EventBridge does."""
        event = eventually(lambda: self.next_message(self.arrivals), bool, PATIENCE_S)
        return publish.handler(event, Context())

    def _train(self, parameters, _):
        described = train(parameters, self.s3)
        thread = threading.Thread(target=self.deliver)
        thread.start()
        self.delivering.append(thread)
        return described

    def run(self, machine, said):
        """Execute the state machine; returns how it ended."""
        started = self.states.start_execution(
            stateMachineArn=machine, name=uuid.uuid4().hex, input=json.dumps(said)
        )["executionArn"]
        return eventually(
            lambda: self.states.describe_execution(executionArn=started),
            lambda found: found["status"] != "RUNNING",
            PATIENCE_S,
        )

    def ask(self, target):
        """What the endpoint answers, and which artifact gave it."""
        answer = self.endpoint.client().invoke_endpoint(
            EndpointName="texts", TargetModel=target, ContentType="text/csv",
            Body="Impfstoff Corona,Corona Viren",
        )  # fmt: skip
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return answer["Body"].read(), headers["x-mme-target-model"]

    def aliases(self):
        found = self.s3.get_object(Bucket=MODELS, Key="live/models-id.json")
        return json.loads(found["Body"].read())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with (
        running_aws() as aws,
        pytest.MonkeyPatch.context() as patch,
        running_endpoint(
            "s3://models/elsewhere/",
            tmp_path_factory.mktemp("pipeline-endpoint"),
            {"AWS_ENDPOINT_URL_S3": aws.url, **CREDENTIALS, "MME_STORE_CHECK_S": "0.2"},
        ) as endpoint,
    ):
        made = World(aws, endpoint)
        for name, value in {
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": aws.url,
            "AWS_ENDPOINT_URL_SNS": aws.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url,
            "MODEL_STORE": f"s3://{MODELS}/live/",
            "ENDPOINT_NAME": "texts",
            "TOPIC_ARN": made.topic,
        }.items():
            patch.setenv(name, value)
        for bucket in (WORK, MODELS):
            made.s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        watch_arrivals(made)
        serve(endpoint)
        yield made
        for thread in made.delivering:
            thread.join(PATIENCE_S)


def watch_arrivals(world):
    """As the template has it: the bucket tells EventBridge, whose rule knows what is a model."""
    template = cfn_yaml.load(str(AWS / "pipeline.yml"))
    pattern = template["Resources"]["ArrivalRule"]["Properties"]["EventPattern"]
    assert pattern["detail"]["bucket"]["name"] == [{"Ref": "WorkBucket"}]
    pattern = {**pattern, "detail": {**pattern["detail"], "bucket": {"name": [WORK]}}}
    world.s3.put_bucket_notification_configuration(
        Bucket=WORK, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    events = world.aws.client("events")
    events.put_rule(Name="arrival", EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule="arrival", Targets=[{"Id": "publish", "Arn": world.arn(world.arrivals)}]
    )


def serve(endpoint):
    """Create the endpoint as SageMaker's users do."""
    sagemaker = boto3.client(
        "sagemaker", endpoint_url=endpoint.url, region_name=REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    sagemaker.create_model(
        ModelName="texts",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": "mme:1",
            "Mode": "MultiModel",
            "ModelDataUrl": f"s3://{MODELS}/live/",
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": "texts", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="texts-1",
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}],
    )
    sagemaker.create_endpoint(EndpointName="texts", EndpointConfigName="texts-1")


@pytest.fixture(scope="module")
def machine(world):
    """The state machine, with what the template puts in, and the one line that moto lacks."""
    template = cfn_yaml.load(str(AWS / "pipeline.yml"))
    properties = template["Resources"]["TrainMachine"]["Properties"]
    given = {
        "Partition": "aws",
        "JobPrefix": "mme-dev",
        "TrainingRole": ROLE,
        "InstanceType": "ml.m5.large",
        "VolumeGB": "30",
        "MaxRuntimeSeconds": "600",
        "OutcomeFunction": function_arn("outcome"),
        "Topic": world.topic,
    }
    assert given.keys() == properties["DefinitionSubstitutions"].keys()
    text = (AWS / "train.asl.json").read_text()
    for name, value in given.items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", value)
    assert text.count(SYNC) == 1
    text = text.replace(SYNC, function_arn("train"))
    text = text.replace('"IntervalSeconds": 10,', '"IntervalSeconds": 1,')
    return world.states.create_state_machine(name="train", definition=text, roleArn=ROLE)[
        "stateMachineArn"
    ]


def planned(folder, world, version_id, corpus=CORPUS):
    """The state machine's input as the build makes it, for one small model."""
    (folder / "DocSim").mkdir(parents=True)
    switches = {"DocSim": True, "Search": False, "TopicalPageRank": False}
    (folder / "models_to_be_trained.json").write_text(json.dumps(switches))
    (folder / "DocSim" / "DocSim-params.json").write_text(json.dumps({"train_df": "c.csv"}))
    (folder / "DocSim" / "inputData.json").write_text('{"Training": {"Uri": "models/corpus"}}')
    said = training_plan.plan(
        make_plan(folder), work=f"s3://{WORK}/", version_id=version_id, image="mme:1"
    )
    for place in said["corpora"].values():
        key = place.removeprefix(f"s3://{WORK}/")
        world.s3.put_object(Bucket=WORK, Key=f"{key}c.csv", Body=corpus.encode())
    [model] = said["models"]
    model["hyperparameters"] |= SMALL
    return said


def broken(world, version_id):
    """An artifact that arrives whole, and whose model is not: its vectors are another's."""
    found = world.s3.get_object(Bucket=MODELS, Key="live/DocSim-1.tar.gz")["Body"].read()
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(found)) as former,
        tarfile.open(fileobj=made, mode="w:gz") as archive,
    ):
        for member in former:
            content = former.extractfile(member)
            if content is None:
                continue
            body = content.read()
            if member.name.endswith("DocSim-model"):
                body = b"no vectors"
                member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    key = f"training/DocSim/{version_id}/job-{version_id}/output/model.tar.gz"
    world.s3.put_object(Bucket=WORK, Key=key, Body=made.getvalue())
    return key


@pytest.fixture(scope="module")
def trained(world, machine, tmp_path_factory):
    """How the execution ended that trained version 1."""
    return world.run(machine, planned(tmp_path_factory.mktemp("models"), world, "1"))


def test_what_is_trained_serves_by_its_alias_with_its_parameters(world, trained):
    assert trained["status"] == "SUCCEEDED", trained
    [model] = json.loads(trained["output"])["outcomes"]
    assert (model["name"], model["id"], model["state"]) == ("DocSim", "1", "serving")
    told = world.told_of("DocSim 1: serving")
    assert told == "DocSim means DocSim-1.tar.gz now; it answers."
    answer, artifact = world.ask("DocSim")
    assert artifact == "DocSim-1.tar.gz"
    assert float(json.loads(answer)[0]) != 0
    found = world.s3.get_object(Bucket=MODELS, Key="live/DocSim-1.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(found)) as archive:
        file = archive.extractfile("./DocSim-params.json")
        assert file is not None
        params = json.load(file)
    assert (params["vector_size"], params["train_df"]) == (8, "c.csv")


def test_what_is_broken_goes_back_and_the_former_version_answers(world, trained):
    before = world.ask("DocSim")
    key = broken(world, "2")
    assert world.deliver()["state"] == "rolled back"
    words = world.told_of("DocSim 2: rolled back")
    assert "ModelError" in words or "ValidationError" in words
    assert "(DocSim means 1.)" in words
    assert world.aliases() == {"DocSim": "1"}
    assert world.ask("DocSim") == before
    said = outcome.handler({"artifact": f"s3://{WORK}/{key}"}, None)
    assert (said["state"], said["serves"]) == ("rolled back", "1")


def test_training_that_fails_is_told_with_its_reason_and_nothing_is_published(
    world, machine, tmp_path
):
    ended = world.run(machine, planned(tmp_path, world, "bad", corpus="id,title\n1,x\n"))
    assert (ended["status"], ended["error"]) == ("FAILED", "NotAllServe"), ended["cause"]
    assert "no column 'claim_text'" in world.told_of("Training bad has failed")
    assert not [each for each in listed(world) if "bad" in each]


def test_a_run_with_nothing_switched_on_succeeds(world, machine):
    ended = world.run(machine, {"image": "mme:1", "version": "0", "models": [], "corpora": {}})
    assert ended["status"] == "SUCCEEDED"


def api_event(name, body, **headers):
    """As API Gateway sends it (payload format 2.0): text as it is, else base64."""
    is_text = isinstance(body, str)
    return {
        "version": "2.0",
        "routeKey": "POST /models/{model_name+}",
        "rawPath": f"/models/{name}",
        "headers": {"content-type": "text/csv", **headers},
        "pathParameters": {"model_name": name},
        "body": body if is_text else base64.b64encode(body).decode(),
        "isBase64Encoded": not is_text,
        "requestContext": {"http": {"method": "POST"}},
    }


def test_the_api_answers_as_the_model_that_the_alias_means(world, trained):
    text = "Impfstoff Corona,Corona Viren"
    expected, _ = world.ask("DocSim-1.tar.gz")
    for body in (text, text.encode()):
        answer = api.handler(api_event("DocSim", body), None)
        assert (answer["statusCode"], answer["body"]) == (200, expected.decode())
        assert answer["headers"]["x-mme-target-model"] == "DocSim-1.tar.gz"
        assert answer["headers"]["content-type"].startswith("application/json")
        assert not answer["isBase64Encoded"]
    assert api.handler(api_event("DocSim-1.tar.gz", text), None)["body"] == expected.decode()


def test_the_api_says_whose_fault_it_is(world, trained):
    def asked(name, body="a,b", **headers):
        answer = api.handler(api_event(name, body, **headers), None)
        return answer["statusCode"], answer["body"]

    assert asked("Nobody") == (404, '{"message": "There is no model Nobody"}')
    assert asked("../DocSim")[0] == 400
    status, said = asked("DocSim", "one text only")
    assert status == 400
    assert json.loads(said)["type"] == "BadInput"  # the model's own words
    status, said = asked("Missing-1.tar.gz")
    assert (status, "Missing-1.tar.gz" in said) == (400, True)
    event = api_event("DocSim", b"a,b")
    assert api.handler({**event, "body": "no base64!"}, None)["statusCode"] == 400


def listed(world):
    found = world.s3.list_objects_v2(Bucket=MODELS).get("Contents", [])
    return [each["Key"] for each in found]
