"""Admitted artifacts on the local disk: unpacked safely, whole or not there."""

from mme.cache.admission import AdmissionJob, Admit
from mme.cache.arrival import AdmissionTerms
from mme.cache.artifact_cache import ArtifactCache
from mme.cache.extract import ExtractionLimits
from mme.cache.folders import CacheInUse

__all__ = [
    "AdmissionJob",
    "AdmissionTerms",
    "Admit",
    "ArtifactCache",
    "CacheInUse",
    "ExtractionLimits",
]
