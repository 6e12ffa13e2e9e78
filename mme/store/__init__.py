"""Where artifacts are: a folder or S3. Knows keys and bytes, nothing of what is in an archive."""

from mme.store.address import open_store
from mme.store.base import ARCHIVE_ENDING, ArtifactRef, Changed, Store, TargetDenied
from mme.store.samples import SampleStore

__all__ = [
    "ARCHIVE_ENDING",
    "ArtifactRef",
    "Changed",
    "SampleStore",
    "Store",
    "TargetDenied",
    "open_store",
]
