"""A batch by `Model.transformer`: started, waited for, and its outputs read."""

import json
import sys

import boto3
import sagemaker
from sagemaker.model import Model

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
bucket = sys.argv[1]

session = sagemaker.Session()
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="pairs/a.csv", Body=b"Impfstoff,Impfungen\nErde,Strom\n")
model = Model(
    image_uri=IMAGE,
    model_data=f"s3://{bucket}/models/DocSim.tar.gz",
    role=ROLE,
    sagemaker_session=session,
)
transformer = model.transformer(
    instance_count=1,
    instance_type="ml.m5.xlarge",
    strategy="MultiRecord",
    assemble_with="Line",
    accept="text/csv",
    output_path=f"s3://{bucket}/scores",
)
transformer.transform(
    f"s3://{bucket}/pairs/",
    content_type="text/csv",
    split_type="Line",
    join_source="Input",
    wait=False,
)
transformer.wait(logs=False)
written = s3.get_object(Bucket=bucket, Key="scores/a.csv.out")["Body"].read().decode()
transformer.delete_model()
print()  # after the SDK's signs of progress
print(json.dumps({"lines": written.splitlines()}))
