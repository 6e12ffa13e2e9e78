"""The open inference protocol (KServe V2) over HTTP, as Triton's clients speak it.

`inference` has the calls that models answer, `repository` those about models and the server,
`absent` what of Triton's is not there; `views` has what they tell, `names` which model a path
means, `errors` the form of errors, `compressing` that of answers. Tensors are none of its business:
bodies go to the worker and come back as bytes.
"""

from mme.gateway.open_inference.surface import open_inference_routes

__all__ = ["open_inference_routes"]
