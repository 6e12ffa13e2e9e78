"""An asynchronous endpoint by `Model.deploy`, with topics; asked and waited for; deleted."""

import json
import sys

import boto3
import sagemaker
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer
from sagemaker.exceptions import AsyncInferenceModelError
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.predictor_async import AsyncPredictor
from sagemaker.serializers import JSONSerializer

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
NAME = "asynchronous"
PAIRS = {"pairs": [["Impfstoff", "Impfungen"]]}
bucket = sys.argv[1]

topics, queues = boto3.client("sns"), boto3.client("sqs")
topic = topics.create_topic(Name="answers")["TopicArn"]
queue = queues.create_queue(QueueName="answers")["QueueUrl"]
attributes = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])

session = sagemaker.Session()
model = Model(
    image_uri=IMAGE,
    model_data=f"s3://{bucket}/models/DocSim.tar.gz",
    role=ROLE,
    predictor_cls=Predictor,
    sagemaker_session=session,
)
model.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.xlarge",
    endpoint_name=NAME,
    async_inference_config=AsyncInferenceConfig(
        output_path=f"s3://{bucket}/answers/",
        failure_path=f"s3://{bucket}/failures/",
        max_concurrent_invocations_per_instance=2,
        notification_config={"SuccessTopic": topic, "ErrorTopic": topic},
    ),
)
scaling = boto3.client("application-autoscaling")
scaled = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{NAME}/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
scaling.register_scalable_target(**scaled, MinCapacity=0, MaxCapacity=5)
scaling.put_scaling_policy(
    **scaled,
    PolicyName="backlog",
    PolicyType="TargetTrackingScaling",
    TargetTrackingScalingPolicyConfiguration={
        "TargetValue": 5.0,
        "CustomizedMetricSpecification": {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": NAME}],
            "Statistic": "Average",
        },
        "ScaleInCooldown": 600,
        "ScaleOutCooldown": 300,
    },
)
predictor = AsyncPredictor(
    Predictor(
        NAME,
        sagemaker_session=session,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
    )
)
patience = WaiterConfig(max_attempts=15, delay=1)
uploaded = predictor.predict_async(data=PAIRS, inference_id="first").get_result(patience)
s3 = boto3.client("s3")
s3.put_object(
    Bucket=bucket,
    Key="asked/pairs.json",
    Body=json.dumps(PAIRS).encode(),
    ContentType="application/json",  # the SDK names no type with the call
)
stored = predictor.predict_async(input_path=f"s3://{bucket}/asked/pairs.json")
waited = predictor.predict(PAIRS, waiter_config=patience)
try:
    predictor.predict_async(data={"no such": "request"}).get_result(patience)
    refused = "answered"
except AsyncInferenceModelError as error:
    refused = str(error)
messages: list[dict] = []
while len(messages) < 4:
    given = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)
    for each in given.get("Messages", []):
        queues.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        message = json.loads(json.loads(each["Body"])["Message"])
        if message["eventName"] == "InferenceResult":  # else a test: the topic is new
            messages.append(message)
scaling.delete_scaling_policy(**scaled, PolicyName="backlog")
scaling.deregister_scalable_target(**scaled)
predictor.delete_model()
predictor.delete_endpoint()
boto3.client("sagemaker").get_waiter("endpoint_deleted").wait(EndpointName=NAME)
print()  # after the SDK's signs of progress
print(
    json.dumps(
        {
            "answers": [uploaded, stored.get_result(patience), waited],
            "refused": refused,
            "told": sorted(each["invocationStatus"] for each in messages),
            "ids": [each["inferenceId"] for each in messages],
        }
    )
)
