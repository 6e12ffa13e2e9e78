"""The graph of a BERT-like encoder (Devlin et al. 2019), from its weights to the bytes of ONNX.

Takes what Hugging Face's folders of the types `bert`, `roberta` and `xlm-roberta` hold and gives a
graph of `input_ids` and `attention_mask` (batch, tokens) to `last_hidden_state` (batch, tokens,
size). Each text is one segment. Reading the folder is for `folder`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.Embedding.onnx_writer import FLOAT, INT64, Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

TYPES = ("bert", "roberta", "xlm-roberta")
ACTIVATIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "gelu": ("Gelu", {}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
}
MASKED = -1e9
"""What is added to the score of a token that is not there."""


class CannotWrite(ValueError):
    """An encoder of another kind, or weights that are not there."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the configuration says of an encoder."""

    layers: int
    heads: int
    size: int
    epsilon: float
    activation: str
    first_position: int | None
    """The position of a text's first token where tokens are counted; None: they stand in order."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """From config.json. Raises CannotWrite."""
        kind = config.get("model_type")
        if kind not in TYPES:
            raise CannotWrite(f"model_type is {kind!r}; {', '.join(TYPES)} can be written")
        activation = config.get("hidden_act", "gelu")
        if activation not in ACTIVATIONS:
            raise CannotWrite(f"hidden_act {activation!r}; known: {', '.join(ACTIVATIONS)}")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise CannotWrite("position_embedding_type must be absolute")
        try:
            shape = cls(
                layers=int(config["num_hidden_layers"]),
                heads=int(config["num_attention_heads"]),
                size=int(config["hidden_size"]),
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
                activation=activation,
                first_position=None if kind == "bert" else int(config.get("pad_token_id", 1)) + 1,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CannotWrite(f"config.json: {error}") from error
        if shape.heads < 1 or shape.size % shape.heads:
            raise CannotWrite(f"{shape.size} numbers for {shape.heads} heads")
        return shape


class BertWriter:
    """Writes one encoder; `weight` gives a tensor by its name, as float32. Raises CannotWrite."""

    def __init__(self, shape: Shape, weight: Callable[[str], Floats]) -> None:
        self._shape = shape
        self._weight = weight
        self._graph = Graph()

    def write(self) -> bytes:
        """The whole graph."""
        graph, shape = self._graph, self._shape
        ids = graph.input("input_ids", INT64, ("batch", "tokens"))
        mask = graph.input("attention_mask", INT64, ("batch", "tokens"))
        graph.constant("into_heads", np.array([0, 0, shape.heads, shape.size // shape.heads]))
        graph.constant("out_of_heads", np.array([0, 0, shape.size]))
        states = self._embedded(ids, mask)
        bias = self._bias(mask)
        for number in range(shape.layers):
            states = self._layer(f"encoder.layer.{number}.", states, bias)
        self._graph.node("Identity", [states], ["last_hidden_state"])
        graph.output("last_hidden_state", FLOAT, ("batch", "tokens", shape.size))
        return graph.file()

    def _embedded(self, ids: str, mask: str) -> str:
        graph, name = self._graph, "embeddings."
        graph.constant("words", self._weight(f"{name}word_embeddings.weight"))
        # Every token is of the first segment, so what stands for that goes with the position.
        places = self._weight(f"{name}position_embeddings.weight")
        places = places + self._weight(f"{name}token_type_embeddings.weight")[:1]
        graph.constant("places", places)
        words = graph.node("Gather", ["words", ids], ["embedded_words"])
        at = self._places(ids) if self._shape.first_position is None else self._counted(mask)
        both = graph.node("Add", [words, at], ["embedded"])
        return self._normed(f"{name}LayerNorm", both)

    def _places(self, ids: str) -> str:
        graph = self._graph
        graph.constant("zero", np.array([0]))
        count = graph.node("Shape", [ids], ["count"], start=1, end=2)
        return graph.node("Slice", ["places", "zero", count, "zero"], ["embedded_places"])

    def _counted(self, mask: str) -> str:
        graph = self._graph
        graph.constant("axis", np.array(1))
        graph.constant("before", np.array((self._shape.first_position or 0) - 1))
        counted = graph.node("CumSum", [mask, "axis"], ["counted"])
        there = graph.node("Mul", [counted, mask], ["counted_there"])
        numbers = graph.node("Add", [there, "before"], ["numbers"])
        return graph.node("Gather", ["places", numbers], ["embedded_places"])

    def _bias(self, mask: str) -> str:
        """0 for tokens that are there, MASKED for others, to be added to scores of all heads."""
        graph = self._graph
        graph.constant("one", np.array(1, np.float32))
        graph.constant("masked", np.array(-MASKED, np.float32))
        graph.constant("middle", np.array([1, 2]))
        there = graph.node("Cast", [mask], ["there"], to=FLOAT)
        missing = graph.node("Sub", [there, "one"], ["missing"])
        scaled = graph.node("Mul", [missing, "masked"], ["scaled"])
        return graph.node("Unsqueeze", [scaled, "middle"], ["bias"])

    def _layer(self, name: str, states: str, bias: str) -> str:
        graph = self._graph
        attended = self._dense(f"{name}attention.output.dense", self._attention(name, states, bias))
        both = graph.node("Add", [attended, states], [f"{name}attended"])
        states = self._normed(f"{name}attention.output.LayerNorm", both)
        kind, options = ACTIVATIONS[self._shape.activation]
        wide = self._dense(f"{name}intermediate.dense", states)
        active = graph.node(kind, [wide], [f"{name}active"], **options)
        narrow = self._dense(f"{name}output.dense", active)
        both = graph.node("Add", [narrow, states], [f"{name}both"])
        return self._normed(f"{name}output.LayerNorm", both)

    def _attention(self, name: str, states: str, bias: str) -> str:
        graph, shape = self._graph, self._shape
        scale = 1 / math.sqrt(shape.size // shape.heads)
        order = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        heads = []
        for part, axes in order.items():
            # Scaling the queries' weights saves scaling every score.
            factor = scale if part == "query" else 1
            dense = self._dense(f"{name}attention.self.{part}", states, factor)
            split = graph.node("Reshape", [dense, "into_heads"], [f"{name}{part}.split"])
            heads.append(graph.node("Transpose", [split], [f"{name}{part}.heads"], perm=axes))
        scores = graph.node("MatMul", heads[:2], [f"{name}scores"])
        biased = graph.node("Add", [scores, bias], [f"{name}biased"])
        shares = graph.node("Softmax", [biased], [f"{name}shares"], axis=-1)
        mixed = graph.node("MatMul", [shares, heads[2]], [f"{name}mixed"])
        turned = graph.node("Transpose", [mixed], [f"{name}turned"], perm=[0, 2, 1, 3])
        return graph.node("Reshape", [turned, "out_of_heads"], [f"{name}joined"])

    def _dense(self, name: str, states: str, factor: float = 1) -> str:
        graph = self._graph
        graph.constant(f"{name}.weight", self._weight(f"{name}.weight").T * np.float32(factor))
        graph.constant(f"{name}.bias", self._weight(f"{name}.bias") * np.float32(factor))
        product = graph.node("MatMul", [states, f"{name}.weight"], [f"{name}.product"])
        return graph.node("Add", [product, f"{name}.bias"], [f"{name}.sum"])

    def _normed(self, name: str, states: str) -> str:
        graph = self._graph
        for part in ("weight", "bias"):
            graph.constant(f"{name}.{part}", self._weight(f"{name}.{part}"))
        inputs = [states, f"{name}.weight", f"{name}.bias"]
        return graph.node(
            "LayerNormalization", inputs, [f"{name}.normed"], axis=-1, epsilon=self._shape.epsilon
        )
