"""Where artifacts are: a folder or S3. Knows keys and bytes, nothing of what is in an archive."""

from mme.store.address import open_store
from mme.store.base import ArtifactRef, Store, TargetDenied

__all__ = ["ArtifactRef", "Store", "TargetDenied", "open_store"]
