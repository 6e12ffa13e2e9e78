"""Multi Model Server: its configuration, its process, its HTTP. Nothing about which models."""

from mme.mms.client import MmsClient, MmsError
from mme.mms.java import Java, JavaMissingError, find_java
from mme.mms.server import MmsServer

__all__ = ["Java", "JavaMissingError", "MmsClient", "MmsError", "MmsServer", "find_java"]
