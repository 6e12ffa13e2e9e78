"""What runs as Lambda functions: the training pipeline's, and the API's in front of an endpoint.

Their package, made by `deploy/aws/package.py`, has these modules and of `mme` the rooms they use;
boto3 is the runtime's own.
"""
