"""The family Triton: models and ensembles laid out for Triton Inference Server.

`schema` reads the text of a configuration, `config` makes typed parts of it, `support` says what of
the rest is refused or passed over. `repository` finds the models and versions of an artifact,
`graph` checks an ensemble, `plan` has all of it before anything runs. `model` answers requests:
`shapes` holds tensors against the configuration, `onnx_model` and `python_model` compute.
`backend_utils` is what Python models import as `triton_python_backend_utils`.
"""
