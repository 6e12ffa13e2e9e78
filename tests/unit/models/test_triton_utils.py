"""What Python models find as `triton_python_backend_utils`, compared with tritonclient's own."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
import pytest
from tritonclient import utils as client_utils

from models.Triton import backend_utils as pb_utils

TYPES = [name for name in pb_utils.TRITON_TO_NUMPY if name != "TYPE_STRING"]


@pytest.mark.parametrize("name", TYPES)
def test_datatypes_are_numpy_s_as_tritonclient_has_them(name):
    kind = pb_utils.triton_string_to_numpy(name)
    assert np.dtype(kind) == client_utils.triton_to_np_dtype(name.removeprefix("TYPE_"))
    assert pb_utils.triton_to_np_type(pb_utils.np_to_triton_type(kind)) is kind
    assert pb_utils.Tensor("t", np.ones(1, kind)).triton_dtype() == name


def test_a_datatype_without_a_type_in_numpy_is_refused():
    with pytest.raises(pb_utils.TritonModelException, match="TYPE_BF16 has no type in NumPy"):
        pb_utils.triton_string_to_numpy("TYPE_BF16")
    with pytest.raises(pb_utils.TritonModelException, match="complex128 is no datatype"):
        pb_utils.Tensor("t", np.ones(1, complex)).triton_dtype()


@pytest.mark.parametrize(
    "array",
    [
        np.array([b"a", b"", "größe".encode()], object),
        np.array([["a", "größe"]], object),
        np.array([b"a", b"bc"]),
        np.array(["a", "bc"]),
        np.array([1, 2], object),
    ],
)
def test_texts_become_the_bytes_that_tritonclient_makes(array):
    wanted = client_utils.serialize_byte_tensor(array.astype(object)).item()
    made = pb_utils.serialize_byte_tensor(array)
    assert made is not None
    assert made == wanted
    assert pb_utils.deserialize_bytes_tensor(made).tolist() == list(
        client_utils.deserialize_bytes_tensor(wanted)
    )
    assert pb_utils.Tensor("t", array).triton_dtype() == "TYPE_STRING"


def test_no_texts_are_no_bytes():
    assert pb_utils.serialize_byte_tensor(np.empty(0, object)) is None
    assert pb_utils.deserialize_bytes_tensor(b"").size == 0


def test_a_tensor_shares_its_memory_with_libraries_that_ask():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = pb_utils.Tensor("t", array)
    again = pb_utils.Tensor.from_dlpack("u", tensor)
    assert (again.name(), again.shape(), again.is_cpu()) == ("u", [2, 3], True)
    assert np.shares_memory(again.as_numpy(), array)


def test_what_needs_a_server_around_it_is_named():
    request = pb_utils.InferenceRequest(model_name="m", inputs=[])
    with pytest.raises(pb_utils.TritonModelException, match=r"InferenceRequest\.exec is not"):
        asyncio.run(request.async_exec())
    with pytest.raises(pb_utils.TritonModelException, match="get_response_sender is not"):
        request.get_response_sender()


def test_a_response_has_tensors_or_an_error():
    tensor = pb_utils.Tensor("t", np.ones(1))
    response = pb_utils.InferenceResponse([tensor])
    assert pb_utils.get_output_tensor_by_name(response, "t") is tensor
    assert pb_utils.get_output_tensor_by_name(response, "u") is None
    assert not response.has_error()
    failed = pb_utils.InferenceResponse(error=pb_utils.TritonError("no", 3))
    assert failed.has_error()
    error = failed.error()
    assert error is not None
    assert (error.message(), error.code()) == ("no", 3)


def test_lines_go_to_the_log_by_their_levels(caplog):
    caplog.set_level(logging.DEBUG, "triton")
    logger = pb_utils.Logger
    logger.log_verbose("a"), logger.log_info("b"), logger.log_warn("c"), logger.log_error("d")
    logger.log("e"), logger.log("f", logger.WARNING)
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("DEBUG", "a"), ("INFO", "b"), ("WARNING", "c"), ("ERROR", "d"), ("INFO", "e"),
        ("WARNING", "f"),
    ]  # fmt: skip
