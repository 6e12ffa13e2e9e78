"""Unpacked artifacts on local disk: safe extraction, atomic appearance, survival of restarts."""

from mme.cache.disk import ArtifactCache, CachedArtifact, CacheInUse
from mme.cache.extract import ExtractionLimits

__all__ = ["ArtifactCache", "CacheInUse", "CachedArtifact", "ExtractionLimits"]
