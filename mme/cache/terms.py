"""What an artifact may be and what its admission may take, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.cache.arrival import AdmissionTerms
from mme.cache.extract import ExtractionLimits

if TYPE_CHECKING:
    from mme.core.settings import Settings


def extraction_limits(settings: Settings) -> ExtractionLimits:
    """How large an archive may be, packed and unpacked."""
    return ExtractionLimits(
        archive_bytes=settings.artifact_limit_bytes,
        unpacked_bytes=settings.artifact_limit_bytes,
        files=settings.artifact_limit_files,
    )


def admission_terms(settings: Settings) -> AdmissionTerms:
    """What checking and converting one may take; of others' handlers, whether it is unpacked."""
    return AdmissionTerms(
        memory_bytes=settings.admission_memory,
        cpu_s=settings.admission_cpu_s,
        checks=not settings.is_foreign_handler,
    )
