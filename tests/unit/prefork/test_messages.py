"""The front end's messages are what the package `mms` reads."""

from __future__ import annotations

import socket

from mms.protocol.otf_message_handler import retrieve_msg

from mme.prefork.messages import load_message, predict_message


def read_back(message: bytes):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(message)
        ours.shutdown(socket.SHUT_WR)
        return retrieve_msg(theirs)


def test_a_load_message_carries_name_folder_handler_and_channel():
    command, message = read_back(load_message("näme", "/a b", "/app/h.py:handle", "channel"))
    assert command == b"L"
    assert message["modelName"].decode() == "näme"
    assert message["modelPath"] == b"/a b"
    assert message["handler"] == b"/app/h.py:handle"
    assert message["batchSize"] == 1
    assert message["ioFileDescriptor"] == b"channel"
    assert "gpu" not in message


def test_a_predict_message_carries_headers_and_body(monkeypatch):
    monkeypatch.setenv("MMS_DECODE_INPUT_REQUEST", "false")
    headers = {"Content-Type": "text/plain", "Accept": "application/json"}
    command, (request,) = read_back(predict_message(headers, b"\x00body"))
    assert command == b"I"
    given = {bytes(each["name"]).decode(): each["value"].decode() for each in request["headers"]}
    assert given == headers
    (part,) = request["parameters"]
    assert (part["name"], part["contentType"], part["value"]) == ("body", "text/plain", b"\x00body")
