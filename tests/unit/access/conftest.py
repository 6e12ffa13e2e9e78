"""Files of callers, and requests as AWS's own library signs them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict

from mme.access.canonical import Head

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "a-token-of-many-characters"

Signer = Callable[..., Head]


@pytest.fixture
def secret_file(tmp_path):
    """Writes the file of secrets, for its owner only unless said otherwise."""
    path = tmp_path / "secrets"

    def write(text, mode=0o600):
        path.unlink(missing_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def sign() -> Signer:
    """A request with its signature, as it comes here."""

    def signed(
        method="POST",
        url="http://mme:8080/endpoints/e/invocations",
        body=b"{}",
        headers=None,
        *,
        key=KEY,
        secret=SECRET,
        session=None,
        service="sagemaker",
    ):
        request = AWSRequest(method, url, dict(headers or {}), body)
        SigV4Auth(Credentials(key, secret, session), service, "eu-central-1").add_auth(request)
        sent = CIMultiDict(request.headers.items())
        sent.setdefault("Host", "mme:8080")
        return Head(method, url.removeprefix("http://mme:8080"), sent)

    return signed
