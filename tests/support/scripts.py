"""Artifacts that are scripts, and a process that forgets what one of them did to its imports."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from models import own_modules
from models.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DOUBLING = """
def model_fn(model_dir):
    return 2


def predict_fn(data, model):
    return data * model
"""
PYTORCH_FORM = '''
"""As scripts of the PyTorch serving container are written; the weights are text."""
import io
import json
import logging
import os

import numpy as np
from sagemaker_inference import content_types, decoder, encoder

logger = logging.getLogger(__name__)


class Net:
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, x):
        return x @ self.weights


def model_fn(model_dir, context):
    gpu_id = context.system_properties.get("gpu_id")
    device = "cpu" if gpu_id is None else f"cuda:{gpu_id}"
    with open(os.path.join(model_dir, "model.json")) as f:
        net = Net(np.array(json.load(f)))
    logger.info("on %s", device)
    return net


def input_fn(request_body, request_content_type, context):
    if request_content_type == "application/x-image":
        return np.frombuffer(io.BytesIO(request_body).read(), np.uint8).astype(float)[None]
    return decoder.decode(request_body, request_content_type)


def predict_fn(input_object, model, context):
    return model(input_object)


def output_fn(predictions, response_content_type, context):
    asked = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    if asked:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", asked[::-1])
    return encoder.encode(predictions, response_content_type), response_content_type
'''
HANDLER_FORM = '''
"""As scripts are written that change the toolkit's own handler; code/ has a package beside."""
import os

from sagemaker_inference import content_types, decoder, default_inference_handler, encoder

from helpers.weights import read_weights


class Handler(default_inference_handler.DefaultInferenceHandler):
    VALID_CONTENT_TYPES = (content_types.JSON, content_types.NPY)

    def default_model_fn(self, model_dir, context=None):
        return read_weights(os.path.join(model_dir, "model.json"))

    def default_input_fn(self, input_data, content_type, context=None):
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data, model, context=None):
        return data @ model


HANDLER = Handler()


def model_fn(model_dir, context):
    return HANDLER.default_model_fn(model_dir, context)


def input_fn(input_data, content_type, context):
    return HANDLER.default_input_fn(input_data, content_type, context)


def predict_fn(data, model, context):
    return HANDLER.default_predict_fn(data, model, context)


def output_fn(prediction, accept, context):
    return encoder.encode(prediction, accept)
'''
HELPERS = {
    "code/helpers/__init__.py": "",
    "code/helpers/weights.py": """
import json

import numpy as np


def read_weights(path):
    with open(path) as f:
        return np.array(json.load(f))
""",
}


def script(folder: Path, source: str, others: Mapping[str, str] | None = None) -> Path:
    """Write an artifact whose code is `source`; `others` are files by their paths in it."""
    files = {"code/inference.py": source, **(others or {})}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def started(folder: Path) -> Any:
    """Its model, running in this process instead of any other script."""
    own_modules.forget()
    model: Any = load_model(folder)
    return model.start()


@contextlib.contextmanager
def own_imports() -> Iterator[None]:
    """Leave this process's imports afterwards as they were."""
    writes_none = sys.dont_write_bytecode
    try:
        yield
    finally:
        own_modules.forget()
        sys.dont_write_bytecode = writes_none
