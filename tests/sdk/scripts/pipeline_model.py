"""Two models one after another by `PipelineModel.deploy`, asked, failing, and deleted."""

import json
import sys

import boto3
import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
bucket = sys.argv[1]

session = sagemaker.Session()
steps = [
    Model(
        image_uri=IMAGE,
        model_data=f"s3://{bucket}/models/{family}.tar.gz",
        role=ROLE,
        sagemaker_session=session,
    )
    for family in ("DocSim", "TopicalPageRank")
]
model = PipelineModel(
    models=steps, role=ROLE, predictor_cls=Predictor, sagemaker_session=session, name="two-steps"
)
predictor = model.deploy(
    initial_instance_count=1, instance_type="ml.m5.xlarge", endpoint_name="two-steps"
)
predictor.serializer, predictor.deserializer = CSVSerializer(), JSONDeserializer()
# The scores of the first step are the texts of the second one.
answer = predictor.predict([["Impfstoff", "Impfungen"], ["Erde", "Strom"]])
try:
    predictor.predict("no pair")
    refused = "answered"
except session.sagemaker_runtime_client.exceptions.ModelError as error:
    refused = error.response["Message"]
model.delete_model()
predictor.delete_endpoint()
left = [each["EndpointName"] for each in boto3.client("sagemaker").list_endpoints()["Endpoints"]]
print()  # after the SDK's signs of progress
print(json.dumps({"answer": answer, "refused": refused, "left": left}))
