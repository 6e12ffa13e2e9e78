"""Deploying to SageMaker: the image, and one CloudFormation stack an endpoint.

What AWS makes is in the templates (`deploy/aws`, packaged beside this file); what the stack becomes
is CloudFormation's business. Here is which calls that takes, in which order, and what their answers
mean. Options, and what is printed, are `mme/cli/deploy.py`'s.
"""
