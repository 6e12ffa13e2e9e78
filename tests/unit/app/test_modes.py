"""The environment chooses the mode and the port."""

from __future__ import annotations

import pytest

from mme.app.modes import Mode, PlatformError, public_port, read_platform


@pytest.mark.parametrize(
    ("environ", "has_model", "mode"),
    [
        ({}, False, Mode.STANDALONE),
        ({}, True, Mode.SINGLE_MODEL),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, False, Mode.MULTI_MODEL),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, True, Mode.MULTI_MODEL),
        ({"SAGEMAKER_MULTI_MODEL": "false"}, True, Mode.SINGLE_MODEL),
        ({"SAGEMAKER_MULTI_MODEL": ""}, False, Mode.STANDALONE),
    ],
)
def test_who_loads_models_is_read_from_the_environment(tmp_path, environ, has_model, mode):
    model_dir = tmp_path if has_model else tmp_path / "none"
    assert read_platform(environ, model_dir).mode is mode


def test_the_public_port_is_8080_unless_the_platform_says_otherwise():
    assert read_platform({}).port == 8080
    assert read_platform({"SAGEMAKER_BIND_TO_PORT": "9090"}).port == 9090


@pytest.mark.parametrize(
    "environ",
    [
        {"SAGEMAKER_BIND_TO_PORT": "http"},
        {"SAGEMAKER_BIND_TO_PORT": "0"},
        {"SAGEMAKER_BIND_TO_PORT": "65536"},
    ],
)
def test_a_variable_that_cannot_be_used_is_named_with_its_value(environ):
    ((name, value),) = environ.items()
    with pytest.raises(PlatformError, match=f"{name}='{value}'"):
        read_platform(environ)


def test_health_is_asked_for_where_requests_come_in():
    assert public_port({"MME_PORT": "7000", "SAGEMAKER_BIND_TO_PORT": "9090"}) == 7000
    multi = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_BIND_TO_PORT": "9090", "MME_PORT": "7000"}
    assert public_port(multi) == 9090
