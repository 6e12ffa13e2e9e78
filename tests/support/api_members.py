"""What becomes of each member of SageMaker's operations here: the tables of docs/api-coverage.md.

By service, as botocore calls it, and operation. A structure stands for all that is in it, unless
members of it are named. `tests/unit/app` holds the tables against botocore's models, and what they
claim against the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Members:
    """The members of one operation, by what becomes of them; names divided by spaces."""

    served: str = ""
    kept: str = ""
    ignored: str = ""
    refused: str = ""
    answered: str = ""
    never: str = ""
    raised: str = ""
    unraised: str = ""
    """Errors that the service's model has with the operation."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """By member, where there is more to say."""


Table: TypeAlias = Mapping[str, Mapping[str, Members]]


def below(place: str, names: str) -> str:
    """Members of a structure."""
    return " ".join(f" {place}.{name}" for name in names.split()) + " "


CREATED = "CreationTimeBefore CreationTimeAfter "
MODIFIED = "LastModifiedTimeBefore LastModifiedTimeAfter "
LISTED = "SortBy SortOrder NextToken MaxResults NameContains " + CREATED
PLACE = "ServiceNamespace ResourceId ScalableDimension "
OUTPUT = "AsyncInferenceConfig.OutputConfig"
TOPICS = f"{OUTPUT}.NotificationConfig"
SOURCE = "PrimaryContainer.ModelDataSource.S3DataSource"
CONFIG_KEPT = (
    "DataCaptureConfig KmsKeyId ShadowProductionVariants ExecutionRoleArn VpcConfig"
    " EnableNetworkIsolation MetricsConfig CrossRegionTrafficConfig "
)
TRACKING = "TargetTrackingScalingPolicyConfiguration"
POLICY = "StepScalingPolicyConfiguration PredictiveScalingPolicyConfiguration"
ABSENT_PARTS = {
    "InferenceComponentName": "there are models, not components",
}
FAILS = "InternalFailure ServiceUnavailable ValidationError "
MODEL_FAILS = below("ModelError", "Message OriginalStatusCode OriginalMessage")
NO_LOG = below("ModelError", "LogStreamArn")
NO_ROOM = "ResourceLimitExceeded"
NOT_HERE = "ConcurrentUpdateException InternalServiceException "
DIRECT_ONLY = "of a model whose containers have the mode Direct, which needs it"
NO_TARGET = "here also names the target model, as `target-model=NAME`"

RUNTIME = {
    "InvokeEndpoint": Members(
        served="EndpointName Body ContentType Accept CustomAttributes TargetModel TargetVariant"
        " InferenceId SessionId TargetContainerHostname",
        ignored="EnableExplanations PrefixAwareId",
        refused="InferenceComponentName",
        answered="Body ContentType InvokedProductionVariant CustomAttributes NewSessionId"
        " ClosedSessionId",
        raised=FAILS + MODEL_FAILS + "InternalDependencyException ModelNotReadyException",
        unraised=NO_LOG,
        notes={
            "InferenceId": "in the line of the log",
            "SessionId": "given to the model, which makes and ends sessions; not in pipelines",
            "TargetContainerHostname": DIRECT_ONLY,
            **ABSENT_PARTS,
        },
    ),
    "InvokeEndpointAsync": Members(
        served="EndpointName ContentType Accept CustomAttributes InferenceId InputLocation"
        " S3OutputPathExtension Filename RequestTTLSeconds InvocationTimeoutSeconds Body",
        answered="InferenceId OutputLocation FailureLocation",
        raised=FAILS,
        notes={"CustomAttributes": NO_TARGET},
    ),
    "InvokeEndpointWithResponseStream": Members(
        served="EndpointName Body ContentType Accept CustomAttributes TargetVariant InferenceId"
        " SessionId TargetContainerHostname",
        ignored="PrefixAwareId",
        refused="InferenceComponentName",
        answered="Body.PayloadPart Body.ModelStreamError Body.InternalStreamFailure ContentType"
        " InvokedProductionVariant CustomAttributes",
        raised=FAILS + MODEL_FAILS + "ModelStreamError InternalStreamFailure",
        unraised=NO_LOG,
        notes={
            "CustomAttributes": NO_TARGET,
            "SessionId": "given to the model; not in pipelines",
            "TargetContainerHostname": DIRECT_ONLY,
            **ABSENT_PARTS,
        },
    ),
}

SAGEMAKER = {
    "CreateModel": Members(
        served="ModelName Containers InferenceExecutionConfig Tags"
        + below("PrimaryContainer", "Mode ModelDataUrl")
        + below(SOURCE, "S3Uri S3DataType CompressionType"),
        kept="ExecutionRoleArn VpcConfig EnableNetworkIsolation"
        + below(
            "PrimaryContainer",
            "ContainerHostname Image ImageConfig Environment InferenceSpecificationName"
            " MultiModelConfig ContainerMetricsConfig",
        )
        + below(SOURCE, "ModelAccessConfig HubAccessConfig ManifestS3Uri ETag ManifestEtag"),
        refused=below("PrimaryContainer", "AdditionalModelDataSources ModelPackageName"),
        answered="ModelArn",
        raised=NO_ROOM,
        notes={
            "Containers": "up to 15, with the members of PrimaryContainer and, of several, their"
            " ContainerHostname: a pipeline, or by TargetContainerHostname",
            "PrimaryContainer.Image": "the families here serve, whatever it is",
            f"{SOURCE}.S3DataType": "`S3Object`; `S3Prefix` is refused",
            f"{SOURCE}.CompressionType": "`Gzip`; `None` is refused",
        },
    ),
    "DescribeModel": Members(
        served="ModelName",
        answered="ModelName PrimaryContainer Containers InferenceExecutionConfig ExecutionRoleArn"
        " VpcConfig CreationTime ModelArn EnableNetworkIsolation",
        never="DeploymentRecommendation",
    ),
    "ListModels": Members(served=LISTED, answered="Models NextToken"),
    "DeleteModel": Members(served="ModelName"),
    "CreateEndpointConfig": Members(
        served="EndpointConfigName Tags AsyncInferenceConfig.ClientConfig"
        + below(
            "ProductionVariants",
            "VariantName ModelName InitialVariantWeight InitialInstanceCount",
        )
        + below(OUTPUT, "S3OutputPath S3FailurePath")
        + below(TOPICS, "SuccessTopic ErrorTopic IncludeInferenceResponseIn"),
        kept=CONFIG_KEPT
        + below(
            "ProductionVariants",
            "InstanceType InstancePools VariantInstanceProvisionTimeoutInSeconds AcceleratorType"
            " CoreDumpConfig ServerlessConfig VolumeSizeInGB ModelDataDownloadTimeoutInSeconds"
            " ContainerStartupHealthCheckTimeoutInSeconds EnableSSMAccess ManagedInstanceScaling"
            " RoutingConfig InferenceAmiVersion CapacityReservationConfig"
            " AcceleratorPartitionLayouts",
        )
        + below(OUTPUT, "KmsKeyId"),
        refused="ExplainerConfig",
        answered="EndpointConfigArn",
        raised=NO_ROOM,
        notes={
            "ProductionVariants.ModelName": "has to be there: there are no inference components",
            "ProductionVariants.ServerlessConfig": "refused for multi-model variants, and for"
            " several containers",
            "ProductionVariants.InitialInstanceCount": "told as the count; there is one instance",
            "ExplainerConfig": "no answer would be explained",
            "DataCaptureConfig": "nothing is captured",
            "ShadowProductionVariants": "they get no requests",
        },
    ),
    "DescribeEndpointConfig": Members(
        served="EndpointConfigName",
        answered="EndpointConfigName EndpointConfigArn ProductionVariants CreationTime"
        f" AsyncInferenceConfig {CONFIG_KEPT}",
        never="ExplainerConfig",
    ),
    "ListEndpointConfigs": Members(served=LISTED, answered="EndpointConfigs NextToken"),
    "DeleteEndpointConfig": Members(served="EndpointConfigName"),
    "CreateEndpoint": Members(
        served="EndpointName EndpointConfigName Tags",
        kept="DeploymentConfig",
        answered="EndpointArn",
        raised=NO_ROOM,
        notes={"DeploymentConfig": "an endpoint is made at once"},
    ),
    "DescribeEndpoint": Members(
        served="EndpointName",
        answered="EndpointName EndpointArn EndpointConfigName DataCaptureConfig EndpointStatus"
        " FailureReason CreationTime LastModifiedTime LastDeploymentConfig AsyncInferenceConfig"
        " ShadowProductionVariants MetricsConfig CrossRegionTrafficConfig"
        + below(
            "ProductionVariants",
            "VariantName DeployedImages CurrentWeight DesiredWeight CurrentInstanceCount"
            " DesiredInstanceCount CurrentServerlessConfig DesiredServerlessConfig"
            " ManagedInstanceScaling RoutingConfig",
        ),
        never="PendingDeploymentSummary ExplainerConfig"
        + below(
            "ProductionVariants",
            "InstancePools VariantStatus CapacityReservationConfig AcceleratorPartitionLayouts",
        ),
        notes={
            "EndpointStatus": "`InService` or `Failed`",
            "DataCaptureConfig": "as stopped",
        },
    ),
    "ListEndpoints": Members(
        served=LISTED + MODIFIED + "StatusEquals", answered="Endpoints NextToken"
    ),
    "UpdateEndpoint": Members(
        served="EndpointName EndpointConfigName RetainAllVariantProperties"
        " ExcludeRetainedVariantProperties RetainDeploymentConfig",
        kept="DeploymentConfig",
        answered="EndpointArn",
        unraised=NO_ROOM,
        notes={"DeploymentConfig": "an endpoint is switched at once"},
    ),
    "UpdateEndpointWeightsAndCapacities": Members(
        served="EndpointName"
        + below(
            "DesiredWeightsAndCapacities",
            "VariantName DesiredWeight DesiredInstanceCount",
        ),
        ignored=below("DesiredWeightsAndCapacities", "ServerlessUpdateConfig"),
        answered="EndpointArn",
        unraised=NO_ROOM,
    ),
    "DeleteEndpoint": Members(served="EndpointName"),
    "AddTags": Members(served="ResourceArn Tags", answered="Tags"),
    "ListTags": Members(
        served="ResourceArn",
        ignored="NextToken MaxResults",
        answered="Tags",
        never="NextToken",
        notes={"MaxResults": "all come at once: there are 50 at most"},
    ),
    "DeleteTags": Members(served="ResourceArn TagKeys"),
    "CreateTransformJob": Members(
        served="TransformJobName ModelName MaxConcurrentTransforms ModelClientConfig MaxPayloadInMB"
        " BatchStrategy Environment DataProcessing Tags TransformInput"
        + below("TransformOutput", "S3OutputPath Accept AssembleWith"),
        kept="DataCaptureConfig TransformResources ExperimentConfig TransformOutput.KmsKeyId",
        answered="TransformJobArn",
        raised="ResourceInUse ResourceLimitExceeded",
        unraised="ResourceNotFound",
        notes={
            "Environment": "names the target of a multi-model model",
            "TransformInput": "of `S3DataType` `S3Prefix` and `ManifestFile`; others are refused",
            "DataCaptureConfig": "nothing is captured",
        },
    ),
    "DescribeTransformJob": Members(
        served="TransformJobName",
        answered="TransformJobName TransformJobArn TransformJobStatus FailureReason ModelName"
        " MaxConcurrentTransforms ModelClientConfig MaxPayloadInMB BatchStrategy Environment"
        " TransformInput TransformOutput DataCaptureConfig TransformResources CreationTime"
        " TransformStartTime TransformEndTime DataProcessing ExperimentConfig",
        never="LabelingJobArn AutoMLJobArn",
        raised="ResourceNotFound",
    ),
    "ListTransformJobs": Members(
        served=LISTED + MODIFIED + "StatusEquals", answered="TransformJobSummaries NextToken"
    ),
    "StopTransformJob": Members(served="TransformJobName", raised="ResourceNotFound"),
}

SCALING = {
    "RegisterScalableTarget": Members(
        served=PLACE + "MinCapacity SuspendedState.DynamicScalingInSuspended",
        kept="MaxCapacity RoleARN"
        + below("SuspendedState", "DynamicScalingOutSuspended ScheduledScalingSuspended"),
        ignored="Tags",
        answered="ScalableTargetARN",
        raised="ValidationException",
        unraised=NOT_HERE + "LimitExceededException",
        notes={"MinCapacity": "0 lets the workers rest"},
    ),
    "DescribeScalableTargets": Members(
        served=PLACE.replace("ResourceId", "ResourceIds") + "MaxResults NextToken",
        answered="NextToken"
        + below(
            "ScalableTargets",
            PLACE + "MinCapacity MaxCapacity RoleARN CreationTime SuspendedState ScalableTargetARN",
        ),
        never="ScalableTargets.PredictedCapacity",
        raised="ValidationException",
        unraised=NOT_HERE + "InvalidNextTokenException",
    ),
    "DeregisterScalableTarget": Members(
        served=PLACE, raised="ValidationException ObjectNotFoundException", unraised=NOT_HERE
    ),
    "PutScalingPolicy": Members(
        served=PLACE + f"PolicyName PolicyType {TRACKING}.ScaleInCooldown",
        kept=POLICY
        + below(
            TRACKING,
            "TargetValue PredefinedMetricSpecification CustomizedMetricSpecification"
            " ScaleOutCooldown DisableScaleIn",
        ),
        answered="PolicyARN Alarms",
        raised="ValidationException ObjectNotFoundException LimitExceededException",
        unraised=NOT_HERE + "FailedResourceAccessException",
        notes={
            f"{TRACKING}.ScaleInCooldown": "after how long without a request the workers rest",
            "Alarms": "an empty list",
        },
    ),
    "DescribeScalingPolicies": Members(
        served=PLACE + "PolicyNames MaxResults NextToken",
        answered="NextToken"
        + below(
            "ScalingPolicies",
            f"{PLACE} PolicyName PolicyARN PolicyType {POLICY} {TRACKING} Alarms CreationTime",
        ),
        raised="ValidationException",
        unraised=NOT_HERE + "InvalidNextTokenException FailedResourceAccessException",
        notes={"ScalingPolicies.Alarms": "an empty list"},
    ),
    "DeleteScalingPolicy": Members(
        served=PLACE + "PolicyName",
        raised="ValidationException ObjectNotFoundException",
        unraised=NOT_HERE,
    ),
}

TABLE: Table = {
    "sagemaker-runtime": RUNTIME,
    "sagemaker": SAGEMAKER,
    "application-autoscaling": SCALING,
}

ABSENT = {
    "inference components, routers, experiments, policies": (
        "InferenceComponent|InferenceRouter|InferenceExperiment|EndpointPolicy"
    ),
    "recommendations, optimization, benchmarks": (
        "Recommendation|Optimization|AIBenchmark|AIWorkload|Compilation"
    ),
    "training, tuning, AutoML": "Training|Tuning|AutoML|Algorithm",
    "model packages, cards, hubs": "ModelPackage|ModelCard|ModelMetadata|Hub",
    "monitoring and explaining": "Monitor|DataQuality|ModelBias|ModelQuality|ModelExplainability",
    "clusters, quotas, reserved capacity": "Cluster|ComputeQuota|Reserved",
    "processing, labelling, pipelines, experiments": (
        "Processing|Label|Work(force|team)|Human|FlowDefinition|Pipeline|Experiment|Trial|Action"
        "|Artifact|Association|Context|Lineage|Mlflow"
    ),
    "Studio, notebooks, apps, users": (
        "Notebook|Studio|Domain|UserProfile|Space|App|Image|CodeRepositor|Partner|Project"
        "|Presigned|Service[Cc]atalog"
    ),
    "features": "Feature",
    "edge devices": "Edge|Device",
}
"""What operations of SageMaker that are not there are about, by patterns in their names; the first
that fits counts, and what fits none is "others"."""
