"""Requests and answers of the open inference protocol (KServe V2), for every model with tensors.

`framing` says which requests are in it, `arrays` has one tensor's bytes and JSON, `reading` makes
checked inputs of a body, `answering` a body of outputs, `serving` puts them together, and
`together` several requests.

Sources: Open Inference Protocol, "Inference Request"; its binary tensor data extension; Triton's
SageMaker front end, for the content type.
"""

from models.open_inference.serving import answer
from models.open_inference.together import answer_many

__all__ = ["answer", "answer_many"]
