"""What an operator is told when the endpoint is ready: where it is, what to try, who may. Pure."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

from mme.app.openness import has_keys, has_tokens, open_doors
from mme.core.names import TARGET_HEADER

if TYPE_CHECKING:
    from mme.app.life import Address
    from mme.app.offered import Call, Offered
    from mme.core.settings import Settings

USUAL_ENDPOINT = "demo"
PARAMETERS = {
    "content-type": "ContentType",
    "accept": "Accept",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
}
"""Headers of an invocation -> what boto3 calls them."""
ANY_KEYS = ', aws_access_key_id="any",\n                       aws_secret_access_key="any"'


def ready_text(settings: Settings, address: Address, offered: Offered) -> str:
    """The endpoint's address and store, calls that this store can answer, and what is open.

    One line where programs read what is written (MME_LOG_FORMAT=json).
    """
    if settings.log_format == "json":
        return f"The endpoint is ready at {address.url}; models come from {offered.uri}."
    parts = [
        (
            f"The endpoint is ready at {address.url}; models come from {offered.uri}."
            f"{_beginning(offered)}"
        ),
        *_calls(settings, address, offered),
        *_management(address),
        *_openness(settings),
        "Ctrl-C stops it.",
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def curl_call(settings: Settings, address: Address, call: Call) -> str:
    """A call as a shell has it."""
    headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    headers.append(f"-H {shlex.quote(f'{TARGET_HEADER}: {call.target}')}")
    if has_tokens(settings):
        headers.append('-H "Authorization: Bearer $MME_TOKEN"')
    lines = [
        f"curl {address.curl}/endpoints/{_name(settings)}/invocations {headers[0]}",
        *headers[1:],
        f"--data-binary {shlex.quote(call.body)}",
    ]
    return " \\\n    ".join(lines)


def boto3_call(settings: Settings, address: Address, call: Call) -> str:
    """A call as a program in Python has it, in a form a shell runs."""
    keys = "" if has_keys(settings) else ANY_KEYS
    given = [f"EndpointName={_literal(_name(settings))}", f"TargetModel={_literal(call.target)}"]
    given += [
        f"{PARAMETERS[name.lower()]}={_literal(value)}"
        for name, value in call.headers.items()
        if name.lower() in PARAMETERS
    ]
    given.append(f"Body={_literal(call.body)}.encode()")
    joined = ",\n                                 ".join(given)
    return f"""{shlex.quote(sys.executable)} - <<'EOF'
import boto3
runtime = boto3.client("sagemaker-runtime", endpoint_url={_literal(address.url)},
                       region_name="eu-central-1"{keys})
answer = runtime.invoke_endpoint({joined})
print(answer["Body"].read().decode())
EOF"""


def _beginning(offered: Offered) -> str:
    if offered.calls:
        return " Try:"
    if offered.trouble:
        return f"\nNothing is known of it yet: {offered.trouble}"
    return "\nIt has no artifact yet: put NAME.tar.gz there, and name it in a request."


def _calls(settings: Settings, address: Address, offered: Offered) -> list[str]:
    """A command each; the last one is boto3's, which speaks no Unix socket."""
    calls = list(offered.calls)
    if not calls:
        return []
    by_curl = calls if len(calls) == 1 else calls[:-1]
    told = [_indented(curl_call(settings, address, call)) for call in by_curl]
    is_for_boto3 = address.socket is None and not has_tokens(settings)
    if is_for_boto3 or has_keys(settings):
        # What follows <<'EOF' is not indented: it is to be copied.
        told.append(boto3_call(settings, address, calls[-1]))
    elif len(calls) > 1:
        told.append(_indented(curl_call(settings, address, calls[-1])))
    return told


def _management(address: Address) -> list[str]:
    told = []
    if address.management is not None:
        told.append(
            f"Management is at {address.management.url}; the address above answers invocations"
            " only."
        )
    if address.grpc:
        told.append(f"The open inference protocol is answered by gRPC too, at {address.grpc}.")
    return told


def _openness(settings: Settings) -> list[str]:
    return (
        ["\n".join(f"Open: {each}." for each in found)] if (found := open_doors(settings)) else []
    )


def _name(settings: Settings) -> str:
    return next(iter(settings.endpoint_names), USUAL_ENDPOINT)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _literal(text: str) -> str:
    """A string as Python has it too, in double quotes, on one line."""
    return json.dumps(text, ensure_ascii=False)
