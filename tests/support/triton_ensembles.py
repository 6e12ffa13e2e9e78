"""Two ensembles as they are laid out for Triton on SageMaker, at a small size.

An image is preprocessed in Python, classified by an ONNX file and labelled in Python. A text is cut
into tokens in Python, goes through an ONNX transformer and is pooled to a vector.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.support.triton import UTILS, laid_out, onnx_file, tensor_line

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 8
LABELS = ("red", "green", "blue")
WORDS = ("[PAD]", "[UNK]", "wind", "turbines", "kill", "birds", "tax", "on", "electricity")
WIDTH = 4


def step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """One step of a configuration."""
    maps = [f'input_map {{ key: "{key}" value: "{value}" }}' for key, value in inputs.items()]
    maps += [f'output_map {{ key: "{key}" value: "{value}" }}' for key, value in outputs.items()]
    return f'step {{ model_name: "{model}" model_version: -1 {" ".join(maps)} }}\n'


def config(name: str, head: str, *parts: str, batch: int = 4) -> str:
    """A configuration."""
    return f'name: "{name}"\n{head}\nmax_batch_size: {batch}\n{"".join(parts)}'


def ensemble(name: str, tensors: str, *steps: str) -> str:
    """The configuration of an ensemble."""
    scheduling = f"ensemble_scheduling {{\n{''.join(steps)}}}"
    return config(name, 'platform: "ensemble"', tensors, scheduling)


PREPROCESS = f'''
import io, json
import numpy as np
from PIL import Image
{UTILS}
from settings import SIDE


class TritonPythonModel:
    """Images to planes of numbers from 0 to 1."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        made = pb_utils.get_output_config_by_name(config, "OUTPUT_0")
        self.kind = pb_utils.triton_string_to_numpy(made["data_type"])

    def execute(self, requests):
        responses = []
        for request in requests:
            images = pb_utils.get_input_tensor_by_name(request, "INPUT_0").as_numpy()
            planes = []
            for data in images.reshape(-1):
                image = Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE))
                planes.append(np.asarray(image).transpose(2, 0, 1) / 255)
            tensor = pb_utils.Tensor("OUTPUT_0", np.stack(planes).astype(self.kind))
            responses.append(pb_utils.InferenceResponse(output_tensors=[tensor]))
        return responses
'''
LABEL = f'''
import os
import numpy as np
{UTILS}
from settings import SEPARATOR


class TritonPythonModel:
    """The label of the highest number, and the number."""

    def initialize(self, args):
        folder = os.path.join(args["model_repository"], args["model_version"])
        with open(os.path.join(folder, "labels.txt")) as file:
            self.labels = file.read().split()

    def execute(self, requests):
        responses = []
        for request in requests:
            scores = pb_utils.get_input_tensor_by_name(request, "SCORES").as_numpy()
            if np.isnan(scores).any():
                raise pb_utils.TritonModelException("an image without a colour")
            texts = [
                f"{{self.labels[row.argmax()]}}{{SEPARATOR}}{{row.max():.2f}}".encode()
                for row in scores
            ]
            tensor = pb_utils.Tensor("LABEL", np.array(texts, dtype=np.object_).reshape(-1, 1))
            responses.append(pb_utils.InferenceResponse(output_tensors=[tensor]))
        return responses
'''


def image_ensemble(root: Path) -> Path:
    """Image to label. The helper modules of both Python steps have one name."""
    planes = f"3, {SIDE}, {SIDE}"
    return laid_out(
        root,
        {
            "ensemble/config.pbtxt": ensemble(
                "ensemble",
                tensor_line("input", "IMAGE", "STRING", "1")
                + tensor_line("output", "LABEL", "STRING", "1"),
                step("postprocess", {"SCORES": "scores"}, {"LABEL": "LABEL"}),
                step("preprocess", {"INPUT_0": "IMAGE"}, {"OUTPUT_0": "planes"}),
                step("classifier", {"planes": "planes"}, {"scores": "scores"}),
            ),
            "ensemble/1/": "",
            "preprocess/config.pbtxt": config(
                "preprocess",
                'backend: "python"',
                tensor_line("input", "INPUT_0", "STRING", "1"),
                tensor_line("output", "OUTPUT_0", "FP32", planes),
                "instance_group [{ kind: KIND_CPU }]",
            ),
            "preprocess/1/model.py": PREPROCESS,
            "preprocess/1/settings.py": f"SIDE = {SIDE}",
            "classifier/config.pbtxt": config(
                "classifier",
                'platform: "onnxruntime_onnx"',
                tensor_line("input", "planes", "FP32", planes),
                tensor_line("output", "scores", "FP32", "3"),
                "instance_group [{ kind: KIND_GPU }]\ndynamic_batching { }",
            ),
            "classifier/1/model.onnx": classifier(),
            "postprocess/config.pbtxt": config(
                "postprocess",
                'backend: "python"',
                tensor_line("input", "SCORES", "FP32", "3"),
                tensor_line("output", "LABEL", "STRING", "1"),
            ),
            "postprocess/1/model.py": LABEL,
            "postprocess/1/settings.py": 'SEPARATOR = ":"',
            "postprocess/1/labels.txt": "\n".join(LABELS),
        },
    )


def classifier() -> bytes:
    """The share of each of the three planes."""
    return onnx_file(
        {"planes": ("batch", 3, SIDE, SIDE)},
        {"scores": ("batch", 3)},
        [
            ("ReduceSum", ["planes", "axes"], ["sums"], {"keepdims": 0}),
            ("ReduceSum", ["sums", "last"], ["whole"], {"keepdims": 1}),
            ("Div", ["sums", "whole"], ["scores"]),
        ],
        {"axes": np.array([2, 3]), "last": np.array([1])},
    )


def png(red: int, green: int, blue: int) -> bytes:
    """An image of one colour."""
    made = io.BytesIO()
    Image.new("RGB", (20, 10), (red, green, blue)).save(made, "PNG")
    return made.getvalue()


TOKENIZE = f'''
import os
import numpy as np
from tokenizers import Tokenizer
{UTILS}


class TritonPythonModel:
    """Texts to numbers of tokens and a mask."""

    def initialize(self, args):
        path = os.path.join(args["model_repository"], args["model_version"], "tokenizer.json")
        self.tokenizer = Tokenizer.from_file(path)
        self.tokenizer.enable_padding()

    def execute(self, requests):
        responses = []
        for request in requests:
            texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
            found = self.tokenizer.encode_batch([text.decode() for text in texts.reshape(-1)])
            ids = pb_utils.Tensor("input_ids", np.array([each.ids for each in found], np.int64))
            mask = np.array([each.attention_mask for each in found], np.int64)
            mask = pb_utils.Tensor("attention_mask", mask)
            responses.append(pb_utils.InferenceResponse([ids, mask]))
        return responses
'''
POOL = f'''
import numpy as np
{UTILS}


class TritonPythonModel:
    """The mean of the tokens' vectors."""

    def execute(self, requests):
        responses = []
        for request in requests:
            states = pb_utils.get_input_tensor_by_name(request, "states").as_numpy()
            mask = pb_utils.get_input_tensor_by_name(request, "attention_mask").as_numpy()
            weights = mask[..., None].astype(np.float32)
            pooled = (states * weights).sum(1) / weights.sum(1)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("embedding", pooled)]))
        return responses
'''


def text_ensemble(root: Path) -> Path:
    """Text to vector. The mask goes to two steps."""
    tokens = "".join(
        tensor_line("output", name, "INT64", "-1") for name in ("input_ids", "attention_mask")
    )
    states = tensor_line("output", "last_hidden_state", "FP32", f"-1, {WIDTH}")
    return laid_out(
        root,
        {
            "text/config.pbtxt": ensemble(
                "text",
                tensor_line("input", "TEXT", "STRING", "1")
                + tensor_line("output", "embedding", "FP32", str(WIDTH)),
                step("tokenizer", {"TEXT": "TEXT"},
                     {"input_ids": "ids", "attention_mask": "mask"}),
                step("transformer", {"input_ids": "ids", "attention_mask": "mask"},
                     {"last_hidden_state": "states"}),
                step("pooling", {"states": "states", "attention_mask": "mask"},
                     {"embedding": "embedding"}),
            ),
            "tokenizer/config.pbtxt": config(
                "tokenizer",
                'backend: "python"',
                tensor_line("input", "TEXT", "STRING", "1") + tokens,
            ),
            "tokenizer/1/model.py": TOKENIZE,
            "tokenizer/1/tokenizer.json": json.dumps(tokenizer()),
            "transformer/config.pbtxt": config(
                "transformer", 'backend: "onnxruntime"', tokens.replace("output", "input"), states
            ),
            "transformer/1/model.onnx": transformer(),
            "pooling/config.pbtxt": config(
                "pooling",
                'backend: "python"',
                tensor_line("input", "states", "FP32", f"-1, {WIDTH}"),
                tensor_line("input", "attention_mask", "INT64", "-1"),
                tensor_line("output", "embedding", "FP32", str(WIDTH)),
            ),
            "pooling/1/model.py": POOL,
        },
    )  # fmt: skip


def vectors() -> NDArray[np.float32]:
    """A vector for each word."""
    return np.random.default_rng(7).normal(size=(len(WORDS), WIDTH)).astype(np.float32)


def transformer() -> bytes:
    """One layer of attention without weights, and the words' own vectors added."""
    return onnx_file(
        {"input_ids": ("batch", "tokens"), "attention_mask": ("batch", "tokens")},
        {"last_hidden_state": ("batch", "tokens", WIDTH)},
        [
            ("Gather", ["words", "input_ids"], ["given"]),
            ("Transpose", ["given"], ["turned"], {"perm": [0, 2, 1]}),
            ("MatMul", ["given", "turned"], ["alike"]),
            ("Cast", ["attention_mask"], ["ones"], {"to": 1}),
            ("Sub", ["ones", "one"], ["none"]),
            ("Mul", ["none", "large"], ["off"]),
            ("Unsqueeze", ["off", "axis"], ["hidden"]),
            ("Add", ["alike", "hidden"], ["seen"]),
            ("Softmax", ["seen"], ["shares"], {"axis": -1}),
            ("MatMul", ["shares", "given"], ["mixed"]),
            ("Add", ["mixed", "given"], ["last_hidden_state"]),
        ],
        {
            "words": vectors(),
            "one": np.array(1, np.float32),
            "large": np.array(1e9, np.float32),
            "axis": np.array([1]),
        },
        integers=("input_ids", "attention_mask"),
    )


def embedded(text: str) -> NDArray[np.float32]:
    """What the text's vector should be."""
    words = text.lower().split()
    given = vectors()[[WORDS.index(word) if word in WORDS else 1 for word in words]]
    shares = np.exp(given @ given.T)
    mixed = shares / shares.sum(1, keepdims=True) @ given
    pooled: NDArray[np.float32] = (mixed + given).mean(0)
    return pooled


def tokenizer() -> dict[str, Any]:
    """A tokenizer of whole words."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: number for number, word in enumerate(WORDS)},
            "unk_token": "[UNK]",
        },
    }
