"""One artifact by `Model.deploy`, asked by `Predictor` in each form, updated, and deleted."""

import json
import sys

import boto3
import sagemaker
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONSerializer

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
bucket = sys.argv[1]

session = sagemaker.Session()
model = Model(
    image_uri=IMAGE,
    model_data=f"s3://{bucket}/models/DocSim.tar.gz",
    role=ROLE,
    predictor_cls=Predictor,
    sagemaker_session=session,
)
predictor = model.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.xlarge",
    endpoint_name="one-model",
    serializer=CSVSerializer(),
    deserializer=JSONDeserializer(),
)
rows = predictor.predict([["Impfstoff", "Impfungen"], ["Erde", "Strom"]])
predictor.deserializer = CSVDeserializer()
csv = predictor.predict("Impfstoff,Impfungen")
predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
try:
    predictor.predict({"no such": "request"})
    refused = "answered"
except session.sagemaker_runtime_client.exceptions.ModelError as error:
    refused = f"ModelError {error.response['OriginalStatusCode']}"
predictor.update_endpoint(
    initial_instance_count=2, instance_type="ml.m5.xlarge", model_name=model.name, wait=False
)
described = session.describe_endpoint("one-model")
predictor.delete_model()
predictor.delete_endpoint()
left = [each["EndpointName"] for each in boto3.client("sagemaker").list_endpoints()["Endpoints"]]
print()  # after the SDK's signs of progress
print(
    json.dumps(
        {
            "rows": rows,
            "csv": csv,
            "refused": refused,
            "status": described["EndpointStatus"],
            "instances": described["ProductionVariants"][0]["DesiredInstanceCount"],
            "left": left,
        }
    )
)
