"""Where artifacts are: a folder or S3. Knows keys and bytes, nothing of what is in an archive."""

from mme.store.address import open_store
from mme.store.base import ARCHIVE_ENDING, ArtifactRef, Changed, Store, TargetDenied

__all__ = ["ARCHIVE_ENDING", "ArtifactRef", "Changed", "Store", "TargetDenied", "open_store"]
