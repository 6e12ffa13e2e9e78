"""A multi-model endpoint: the SageMaker Runtime API in front of Multi Model Server.

The folders are the request path, outermost last: `core` (settings, errors, names), `store`
(where artifacts are), `cache` (artifacts on this disk), `supervise` and `mms` (the model server's
process and its HTTP), `residency` (who is loaded), `gateway` (the HTTP surface), `training`, `cli`.
What a model *is* lives in the sibling package `models`, which knows nothing of this one.
"""
