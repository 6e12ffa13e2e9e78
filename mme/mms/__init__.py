"""Multi Model Server: its configuration, its process, its HTTP. Nothing about which models."""

from mme.mms.client import MmsClient
from mme.mms.java import Java, JavaMissingError, find_java
from mme.mms.server import MmsServer
from mme.mms.sole_model import SoleModel

__all__ = [
    "NO_ANSWER",
    "Java",
    "JavaMissingError",
    "MmsAnswer",
    "MmsClient",
    "MmsError",
    "MmsServer",
    "SoleModel",
    "find_java",
]
