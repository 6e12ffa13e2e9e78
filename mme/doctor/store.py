"""The store an endpoint would use in this environment, looked at by its kind. Blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.app.samples import store_of
from mme.core.names import S3_SCHEME
from mme.core.settings import SettingsError
from mme.doctor.finding import failed, warning
from mme.doctor.folder_store import look_at_folder
from mme.doctor.looked import Looked
from mme.doctor.s3_store import look_at_s3
from mme.store import ARCHIVE_ENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.core.settings import Settings

CHECK = "store"


def look_at_store(settings: Settings, named: Sequence[str] = ()) -> Looked:
    """See whether it can be listed and read, and what it offers; `named`: targets to be tried."""
    try:
        store, _ = store_of(settings)
    except SettingsError as error:
        return Looked(findings=[failed(CHECK, str(error), "see MME_STORE")])
    if settings.store.startswith(S3_SCHEME):
        looked = look_at_s3(settings.store, named)
        if settings.store.rstrip("/").endswith(ARCHIVE_ENDING):
            looked.findings.insert(
                0,
                warning(
                    CHECK,
                    f"MME_STORE={settings.store} is the name of an artifact",
                    "name the prefix it lies below; clients name the artifact",
                ),
            )
        return looked
    looked = look_at_folder(store)
    if "store" not in settings.model_fields_set:
        looked.findings.insert(
            0, warning(CHECK, "MME_STORE is not set: the shipped samples answer", "set it")
        )
    return looked
