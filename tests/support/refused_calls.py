"""Calls that are refused: what raises, with which code and words.

They are made on the endpoints multi, single, async, gone (its bucket is), and failed, and on the
ended transform job "job".
"""

from __future__ import annotations

from typing import NamedTuple

BUCKET = "sagemaker-eu-central-1-111122223333"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
PAIRS = b"Impfstoff,Impfung\nErde,Strom\n"
ONE_COLUMN = b"one text alone\n"


def transform(**changes):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}}
    return {
        "TransformJobName": "job",
        "ModelName": "single",
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/scores"},
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    } | changes


def model(name, *containers, **container):
    given = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/models/"} | container
    return {"ModelName": name, "ExecutionRoleArn": ROLE, "Containers": [given, *containers]}


def config(name, model_name="multi", **members):
    variant = {
        "VariantName": "v",
        "ModelName": model_name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
    }
    return {"EndpointConfigName": name, "ProductionVariants": [variant]} | members


def both(endpoint_name, config_name):
    return {"EndpointName": endpoint_name, "EndpointConfigName": config_name}


def scaled(resource="endpoint/multi/variant/AllTraffic", **members):
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    } | members


def invocation(name="multi", target="DocSim.tar.gz", body=PAIRS, **members):
    given = {"EndpointName": name, "ContentType": "text/csv", "Body": body}
    return given | ({"TargetModel": target} if target else {}) | members


def streamed(target="DocSim.tar.gz", **members):
    return invocation(target="", CustomAttributes=f"target-model={target}") | members


def queued(name="async", **members):
    return {"EndpointName": name, "ContentType": "text/csv"} | members


class Case(NamedTuple):
    """A call, the class that is raised, its code, and words of its message."""

    service: str
    call: str
    members: dict
    code: str
    words: str
    raised: str = "ClientError"

    def __str__(self) -> str:
        return f"{self.call}: {self.words}"


def control(call, members, words, code="ValidationException"):
    modelled = ("ResourceNotFound", "ResourceInUse", "ResourceLimitExceeded")
    return Case(
        "sagemaker", call, members, code, words, code if code in modelled else "ClientError"
    )


def scaling(call, members, words, code="ValidationException"):
    return Case("application-autoscaling", call, members, code, words, code)


def runtime(call, members, words, code="ValidationError"):
    return Case("sagemaker-runtime", call, members, code, words, code)


INVOKE, STREAM, ASYNC = (
    "invoke_endpoint",
    "invoke_endpoint_with_response_stream",
    "invoke_endpoint_async",
)
NONE = "s3://bucket/none.tar.gz"
CASES = [
    control("describe_model", {"ModelName": "none"}, "Could not find model"),
    control("delete_model", {"ModelName": "none"}, "Could not find model"),
    control("create_model", model("multi", Mode="MultiModel"), "Cannot create already existing"),
    control("create_model", model("under_score"), "failed to satisfy constraint"),
    control(
        "create_model",
        model("m", {"Image": IMAGE}, Mode="MultiModel"),
        "Container container-2: ModelDataUrl is missing",
    ),
    control("create_model", model("m", ModelDataUrl="https://example.org/m.tar.gz"), "S3"),
    control("create_endpoint_config", config("multi"), "Cannot create already existing"),
    control("create_endpoint_config", config("c", "none"), "Could not find model"),
    control("create_endpoint_config", config("c", Tags=[{"Key": ""}]), "2 validation errors"),
    control("create_endpoint_config", config("c", ProductionVariants=[]), "productionVariants"),
    control(
        "delete_endpoint_config", {"EndpointConfigName": "none"}, "Could not find endpoint con"
    ),
    control("create_endpoint", both("multi", "multi"), "Cannot create already existing endpoint"),
    control("create_endpoint", both("new", "none"), "Could not find endpoint configuration"),
    control("describe_endpoint", {"EndpointName": "none"}, "Could not find endpoint"),
    control("update_endpoint", both("none", "multi"), "Could not find endpoint"),
    control("delete_endpoint", {"EndpointName": "none"}, "Could not find endpoint"),
    control("list_endpoints", {"NextToken": "none"}, "NextToken"),
    control(
        "update_endpoint_weights_and_capacities",
        {"EndpointName": "multi", "DesiredWeightsAndCapacities": [{"VariantName": "none"}]},
        "none",
    ),
    Case(
        "logs",
        "describe_log_streams",
        {"logGroupName": "/aws/sagemaker/TransformJobs"},
        "ResourceNotFoundException",
        "no log groups",
        "ResourceNotFoundException",
    ),
    control("list_training_jobs", {}, "ListTrainingJobs", "UnknownOperationException"),
    control("list_inference_components", {}, "components", "UnknownOperationException"),
    control("create_transform_job", transform(), "unique", "ResourceInUse"),
    control(
        "create_transform_job", transform(TransformJobName="j", ModelName="none"), "find model"
    ),
    control(
        "create_transform_job", transform(TransformJobName="j", ModelName="multi"), "MME_TARGET"
    ),
    control(
        "create_transform_job",
        transform(TransformJobName="j", MaxPayloadInMB=50, MaxConcurrentTransforms=3),
        "100 MB",
    ),
    control("describe_transform_job", {"TransformJobName": "none"}, "none", "ResourceNotFound"),
    control("stop_transform_job", {"TransformJobName": "none"}, "none", "ResourceNotFound"),
    control("stop_transform_job", {"TransformJobName": "job"}, "in status Completed"),
    scaling("register_scalable_target", scaled("endpoint/multi", MinCapacity=0), "endpoint/NAME"),
    scaling("register_scalable_target", scaled(MinCapacity=2, MaxCapacity=1), "MaxCapacity"),
    scaling("deregister_scalable_target", scaled(), "No scalable", "ObjectNotFoundException"),
    scaling(
        "put_scaling_policy",
        scaled(
            PolicyName="p",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": 5.0},
        ),
        "No scalable",
        "ObjectNotFoundException",
    ),
    scaling("delete_scaling_policy", scaled(PolicyName="p"), "named p", "ObjectNotFoundException"),
    runtime(INVOKE, invocation("none"), "none"),
    runtime(INVOKE, invocation("failed"), "Failed"),
    runtime(INVOKE, invocation("async", ""), "InvokeEndpointAsync"),
    runtime(INVOKE, invocation("single"), "not a multi-model endpoint"),
    runtime(INVOKE, invocation(target=""), "name a target model"),
    runtime(INVOKE, invocation(target="none.tar.gz"), "none.tar.gz"),
    runtime(INVOKE, invocation(target="../secret"), "not a plain path"),
    runtime(INVOKE, invocation(target="broken.tar.gz"), "broken.tar.gz"),
    runtime(INVOKE, invocation(TargetVariant="blue"), "it has AllTraffic"),
    runtime(INVOKE, invocation(InferenceComponentName="c"), "InferenceComponent"),
    runtime(INVOKE, invocation(body=bytes(6 * 1024 * 1024 + 1)), "6291456"),
    runtime(INVOKE, invocation(body=ONE_COLUMN), "Received client error (400)", "ModelError"),
    runtime(INVOKE, invocation(ContentType="audio/ogg"), "client error (415)", "ModelError"),
    runtime(INVOKE, invocation("gone"), "soon-gone", "InternalDependencyException"),
    runtime(STREAM, invocation(target=""), "name a target model"),
    runtime(STREAM, streamed("none.tar.gz"), "none.tar.gz"),
    runtime(STREAM, streamed(EndpointName="async"), "InvokeEndpointAsync"),
    runtime(STREAM, streamed(Body=ONE_COLUMN), "client error (400)", "ModelError"),
    runtime(ASYNC, queued("multi", InputLocation=NONE), "no AsyncInferenceConfig"),
    runtime(ASYNC, queued(), "neither is there"),
    runtime(ASYNC, queued(Body=PAIRS, InputLocation=NONE), "both are there"),
    runtime(ASYNC, queued(InputLocation="https://example.org/x"), "is not in S3"),
    runtime(ASYNC, queued(Body=PAIRS, RequestTTLSeconds=1), "greater than or equal to 60"),
]
