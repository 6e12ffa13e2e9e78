"""Tensors of any datatype, drawn by hypothesis; and when two of them are the same."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.tensors import NUMPY_TYPES
from tests.support.tensors import objects

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4)
FINITE = {"allow_nan": False, "allow_infinity": False}


def tensors(datatype, shapes=SHAPES, **options):
    """Arrays of a datatype, as models have them."""
    if datatype == "BYTES":
        return shapes.flatmap(
            lambda shape: st.lists(
                st.binary(max_size=9) | st.text(max_size=9).map(str.encode),
                min_size=shape[0] * shape[1],
                max_size=shape[0] * shape[1],
            ).map(lambda elements: objects(*elements).reshape(shape))
        )
    kind = NUMPY_TYPES[datatype]
    elements = arrays.from_dtype(kind, **options) if options else None
    return arrays.arrays(kind, shapes, elements=elements)


def is_utf8(text):
    return text.decode(errors="replace").encode() == text


def same(one, other):
    """Whether two arrays are the same to the last bit."""
    if one.dtype == object:
        return one.shape == other.shape and one.ravel().tolist() == other.ravel().tolist()
    return one.shape == other.shape and one.tobytes() == other.tobytes()
