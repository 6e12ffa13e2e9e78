"""`MultiDataModel` on a prefix: a model is added while the endpoint runs, each asked by name."""

import json
import sys

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
bucket = sys.argv[1]

session = sagemaker.Session()
models = MultiDataModel(
    name="many-models",
    model_data_prefix=f"s3://{bucket}/catalog/",
    image_uri=IMAGE,
    role=ROLE,
    sagemaker_session=session,
)
models.add_model(f"s3://{bucket}/models/DocSim.tar.gz", "de/DocSim.tar.gz")
models.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge", endpoint_name="many-models")
models.add_model(f"s3://{bucket}/models/TopicalPageRank.tar.gz", "TopicalPageRank.tar.gz")
predictor = Predictor(
    "many-models",
    sagemaker_session=session,
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
)
pairs = predictor.predict({"pairs": [["Impfstoff", "Impfungen"]]}, target_model="de/DocSim.tar.gz")
phrases = predictor.predict(["Windkraft tötet Vögel"], target_model="TopicalPageRank.tar.gz")
try:
    predictor.predict([], target_model="none.tar.gz")
    refused = "answered"
except session.sagemaker_runtime_client.exceptions.ValidationError as error:
    refused = error.response["Error"]["Code"]
listed = sorted(models.list_models())
predictor.delete_endpoint()
print()  # after the SDK's signs of progress
print(json.dumps({"pairs": pairs, "phrases": phrases, "refused": refused, "listed": listed}))
