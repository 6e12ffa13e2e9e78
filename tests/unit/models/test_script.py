"""A script that runs: the toolkit's functions, contexts, answers and errors."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pytest
import scipy.sparse

from models.errors import BadInput, ServingError
from models.serving import Request
from tests.support.scripts import (
    DOUBLING,
    HANDLER_FORM,
    HELPERS,
    PYTORCH_FORM,
    own_imports,
    script,
    started,
)

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


@pytest.fixture(autouse=True)
def _imports():
    with own_imports():
        yield


def asked(model, body=b"[1, 2]", content_type="application/json", accept=None, **headers):
    given = {"content-type": content_type, **headers}
    if accept is not None:
        given["accept"] = accept
    return model.predict(Request(content_type, accept, body, headers=given))


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array, **options):
    made = io.BytesIO()
    np.save(made, array, **options)
    return made.getvalue()


def transforming(source):
    return f"def model_fn(model_dir):\n    return model_dir\n{source}"


def answering(expression):
    """A script that answers whatever the expression is."""
    return transforming(
        f"def transform_fn(model, data, content_type, accept):\n    return {expression}"
    )


def test_the_toolkits_own_functions_are_used_for_those_that_are_missing(tmp_path):
    model = started(script(tmp_path, DOUBLING))
    answer = asked(model)
    assert (answer.content_type, answer.body) == ("application/json", "[2, 4]")
    assert asked(model, b"1,2\n3,4", "text/csv", "text/csv").body == "2,4\n6,8\n"


def test_bytes_come_back_unchanged(tmp_path):
    model = started(script(tmp_path, DOUBLING))
    answer = asked(model, npy(np.arange(4.0)), "application/x-npy", "application/x-npy")
    assert answer.content_type == "application/x-npy"
    assert answer.body == npy(np.arange(4.0) * 2)


def test_a_script_of_the_pytorch_container_runs(tmp_path):
    folder = script(tmp_path, PYTORCH_FORM, {"model.json": "[[1, 0], [0, 2]]"})
    model = started(folder)
    answer = asked(model, b"[[3, 4]]", accept="application/json", **{ATTRIBUTES: "abc"})
    assert json.loads(answer.body) == [[3.0, 8.0]]
    assert answer.headers == {"X-Amzn-SageMaker-Custom-Attributes": "cba"}
    image = asked(model, bytes([1, 2]), "application/x-image", "application/x-npy")
    assert np.load(io.BytesIO(image.body)).tolist() == [[1.0, 4.0]]


def test_a_script_around_the_toolkits_handler_runs_with_packages_of_its_own(tmp_path):
    model = started(script(tmp_path, HANDLER_FORM, {"model.json": "[[1, 0], [0, 2]]", **HELPERS}))
    assert json.loads(asked(model, b"[[3, 4]]").body) == [[3, 8]]
    answer = asked(model, npy(np.array([[1.0, 1.0]])), "application/x-npy", "text/csv")
    assert answer.body == "1.0,2.0\n"


def test_a_package_that_is_not_there_is_named_with_and_without_requirements(tmp_path, caplog):
    source = f"import torch.nn as nn\n{DOUBLING}"
    with pytest.raises(ServingError, match=r"No module named 'torch'.* nor .* has torch$"):
        started(script(tmp_path / "a", source))
    with pytest.raises(ServingError, match=r"has torch; of what .* torch>=2 \(not installed\)"):
        started(script(tmp_path / "b", source, {"code/requirements.txt": "torch>=2\n"}))
    assert "asks for what is missing here: torch>=2 (not installed)" in caplog.text


def test_headers_are_found_in_any_spelling_and_the_endpoints_own_are_hidden(tmp_path):
    source = """
def model_fn(model_dir, context):
    return context
def transform_fn(model, data, content_type, accept, context):
    given = context.get_all_request_header(0)
    return {"same": model is context, "names": sorted(given),
            "found": [given["content-TYPE"], given.get("ACCEPT"), given.get("none", 1)]}
"""
    answer = asked(started(script(tmp_path, source)), accept="a/b", **{"x-mme-model": "secret"})
    assert json.loads(answer.body) == {
        "same": True, "names": ["Accept", "Content-Type"], "found": ["application/json", "a/b", 1],
    }  # fmt: skip
    assert answer.content_type == "a/b"


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("b'\\xff\\x00'", b"\xff\x00"),
        ("bytearray(b'a'), 'image/png'", b"a"),
        ("memoryview(b'ab')", b"ab"),
        ("{'a': [1]}", '{\n  "a": [\n    1\n  ]\n}'),
        ("None", "null"),
    ],
)
def test_answers_of_any_kind_are_sent_as_the_model_server_sends_them(tmp_path, expression, body):
    assert asked(started(script(tmp_path, answering(expression)))).body == body


GENERATING = transforming("""
def transform_fn(model, data, content_type, accept, context):
    context.set_response_header(0, "x-amzn-sagemaker-custom-attributes", "begun")
    yield "one, "
    yield bytearray(b"two, ")
    if data == b"fail":
        raise ValueError("in between")
    yield 3 if data == b"three" else memoryview(b"three")
""")


def test_an_answer_that_is_generated_is_joined_for_who_wants_it_whole(tmp_path):
    answer = asked(started(script(tmp_path, GENERATING)), b"x", "application/x-data")
    assert (answer.body, answer.pieces) == (b"one, two, three", None)
    assert answer.headers[ATTRIBUTES] == "begun"


def in_parts(body):
    headers = {"content-type": "application/x-data"}
    return Request("application/x-data", None, body, in_parts=True, headers=headers)


def test_an_answer_that_is_generated_comes_in_its_pieces(tmp_path):
    answer = started(script(tmp_path, GENERATING)).predict(in_parts(b"x"))
    assert list(answer.pieces) == [b"one, ", b"two, ", b"three"]
    assert answer.headers[ATTRIBUTES] == "begun"


@pytest.mark.parametrize(("body", "kind"), [(b"fail", "ValueError"), (b"three", "TypeError")])
def test_an_answer_that_breaks_off_tells_what_was_raised(tmp_path, body, kind):
    model = started(script(tmp_path, GENERATING))
    with pytest.raises(ServingError) as caught:
        asked(model, body, "application/x-data")
    assert caught.value.type == kind
    pieces = model.predict(in_parts(body)).pieces
    assert next(pieces) == b"one, "
    with pytest.raises(ServingError) as caught:
        list(pieces)
    assert (caught.value.type, caught.value.status_code) == (kind, 500)


def test_a_status_that_the_script_sets_is_the_answers(tmp_path):
    source = transforming("""
def transform_fn(model, data, content_type, accept, context):
    context.set_response_status(422, "no")
    context.set_response_header(0, "X-Mme-Dropped", "other")
    context.set_response_header(0, "X-Own", "1")
    return "told"
""")
    answer = asked(started(script(tmp_path, source)))
    assert (answer.status, answer.body, answer.headers) == (422, "told", {"X-Own": "1"})


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("context.set_response_status(600, 'no')", "the status 600; there are 200 to 599"),
        ("context.set_response_status('no', 'no')", "the status 'no'; there are"),
        ("context.set_response_header(0, 'X-Own', 'a\\r\\nX-More: 1')", "the header 'X-Own': 'a"),
        ("context.set_response_header(0, 'X-Own', 5)", "the header 'X-Own': 5, which is no"),
        ("context.set_response_header(0, '', 'a')", "the header '': 'a', which is no"),
        ("return '\\ud800'", "is no text that can be sent: .*surrogates not allowed"),
    ],
)
def test_an_answer_that_cannot_be_sent_is_named(tmp_path, does, words):
    source = transforming(f"""
def transform_fn(model, data, content_type, accept, context):
    {does}
    return "told"
""")
    with pytest.raises(ServingError, match=words) as caught:
        asked(started(script(tmp_path, source)))
    assert (caught.value.status_code, caught.value.type) == (500, "UnsendableAnswer")


@pytest.mark.parametrize(
    ("raised", "status", "kind", "message"),
    [
        ("ValueError('off')", 500, "ValueError", "off"),
        ("SystemExit(3)", 500, "SystemExit", "3"),
        ("KeyboardInterrupt('4')", 500, "KeyboardInterrupt", "4"),
        ("type('Odd', (BaseException,), {})('5')", 500, "Odd", "5"),
        ("GenericInferenceToolkitError(429, 'slow down')", 429, "GenericInferenceToolkitError",
         "slow down"),
        ("GenericInferenceToolkitError(200, 'odd')", 500, "GenericInferenceToolkitError", "odd"),
        ("OSError(f'{model}/x is gone')", 500, "OSError", "<model_dir>/x is gone"),
    ],
)  # fmt: skip
def test_errors_keep_status_kind_and_message_without_a_stack(
    tmp_path, raised, status, kind, message
):
    source = transforming(f"""
from sagemaker_inference.errors import GenericInferenceToolkitError
def transform_fn(model, data, content_type, accept):
    raise {raised}
""")
    with pytest.raises(ServingError) as caught:
        asked(started(script(tmp_path, source)))
    error = caught.value
    assert (error.status_code, error.type, error.message) == (status, kind, message)


def test_a_model_that_cannot_be_made_is_an_error_and_may_be_tried_again(tmp_path):
    source = """
from models import VALUE
class Unspeakable(Exception):
    def __str__(self):
        raise KeyError
def model_fn(model_dir):
    raise Unspeakable
def predict_fn(data, model): ...
"""
    folder = script(tmp_path, source, {"code/models.py": "VALUE = 1"})
    for _ in range(2):
        with pytest.raises(ServingError) as caught:
            started(folder)
        assert (caught.value.type, caught.value.message) == ("Unspeakable", "")


def test_answers_that_cannot_be_sent_are_errors(tmp_path):
    with pytest.raises(ServingError, match="not JSON serializable"):
        asked(started(script(tmp_path, answering("object()"))))


def test_an_unknown_content_type_is_the_toolkits_error(tmp_path):
    with pytest.raises(ServingError, match="Content type a/b is not supported") as caught:
        asked(started(script(tmp_path, DOUBLING)), content_type="a/b")
    assert (caught.value.type, caught.value.status_code) == ("UnsupportedFormatError", 500)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"\xff"),
        ("application/json", b"[" * 100_000),
        ("application/x-npy", b"none"),
        ("application/x-npz", b"none"),
        ("application/x-npy", npy(np.arange(3)).replace(b"'fortran", b"('fortran")),
        ("application/x-npy", npz(a=np.arange(3))),
        ("application/x-npz", npz(a=np.arange(3))),
        ("application/x-npz", npz(a=np.arange(3))[:-40]),
    ],
)
def test_a_body_that_is_not_what_it_says_is_the_callers_fault(tmp_path, content_type, body):
    with pytest.raises(BadInput, match=content_type):
        asked(started(script(tmp_path, DOUBLING)), body, content_type)


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize("kind", ["csr", "csc", "bsr"])
@pytest.mark.parametrize("place", [10**9, 2, -1])
def test_indices_that_lead_out_of_a_sparse_array_are_refused(tmp_path, kind, place):
    whole = scipy.sparse.csr_matrix(np.eye(2)).asformat(kind)
    body = npz(
        format=kind.encode(), shape=np.array([2, 2]), data=whole.data, indptr=whole.indptr,
        indices=np.full_like(whole.indices, place),
    )  # fmt: skip
    source = DOUBLING.replace("data * model", "data.toarray()")
    with pytest.raises(BadInput, match=r"(indices|index values) must be"):
        asked(started(script(tmp_path, source)), body, "application/x-npz")


@pytest.mark.hostile("requests to models")
def test_an_array_that_is_said_to_be_larger_than_its_body_takes_no_memory(tmp_path):
    model = started(script(tmp_path, DOUBLING))
    body = npy(np.arange(4.0)).replace(b"(4,), }        ", b"(4000000000000)")
    with pytest.raises(BadInput, match="said to have"):
        asked(model, body.replace(b"000000)", b"000,),}"), "application/x-npy")


class _Writes:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("kind", ["object array", "bare pickle"])
def test_no_body_runs_code(tmp_path, kind):
    ran = tmp_path / "ran"
    hostile = _Writes(str(ran))
    body = (
        npy(np.array([hostile]), allow_pickle=True)
        if kind == "object array"
        else pickle.dumps(hostile)
    )
    with pytest.raises(BadInput):
        asked(started(script(tmp_path, DOUBLING)), body, "application/x-npy")
    assert not ran.exists()


def test_an_import_that_fails_tells_which_requirements_are_missing(tmp_path):
    folder = script(
        tmp_path, "import torch_is_not_here\n" + DOUBLING,
        {"code/requirements.txt": "torch-is-not-here>=2\nnumpy\n"},
    )  # fmt: skip
    with pytest.raises(ServingError, match=r"'torch_is_not_here': neither .*; of ") as caught:
        started(folder)
    assert "torch-is-not-here>=2 (not installed)" in caught.value.message
    assert caught.value.type == "ModuleNotFoundError"


@pytest.mark.parametrize("name", ["helper", "models", "spacy"])
def test_modules_of_one_name_are_each_artifacts_own(tmp_path, name):
    source = answering("VALUE").replace(
        "def model_fn", f"from {name}.part import VALUE\ndef model_fn"
    )
    answers = []
    for value in ("first", "second"):
        files = {f"code/{name}/__init__.py": "", f"code/{name}/part.py": f"VALUE = {value!r}\n"}
        answers.append(asked(started(script(tmp_path / value, source, files))).body)
    assert answers == ["first", "second"]


def test_a_former_artifacts_modules_are_not_found(tmp_path):
    started(script(tmp_path / "first", DOUBLING, {"code/only_there.py": ""}))
    with pytest.raises(ServingError, match="only_there"):
        started(script(tmp_path / "second", "import only_there\n" + DOUBLING))


def test_python_s_own_modules_stay_what_they_are(tmp_path):
    files = {"code/json.py": "dumps = None", "code/numpy.py": "raise OSError"}
    assert asked(started(script(tmp_path, DOUBLING, files))).body == "[2, 4]"


def test_nothing_is_written_beside_the_code(tmp_path):
    started(script(tmp_path, "import other\n" + DOUBLING, {"code/other.py": ""}))
    assert {path.name for path in (tmp_path / "code").iterdir()} == {"inference.py", "other.py"}
