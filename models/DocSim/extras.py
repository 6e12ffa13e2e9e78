"""What training puts into an artifact besides word vectors: documents and a taxonomy.

`documents` (true: those of the corpus) or `documents_uri`, and `document_fields`, ask for prepared
documents; `taxonomy_uri` for a taxonomy and its report, `tags_uri` for the report on existing tags.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.DocSim import tag_report, taxonomy_report
from models.DocSim.prepare import Wanted, write_documents
from models.DocSim.tagging import TAXONOMY_FILE
from models.DocSim.taxonomy import read_taxonomy
from models.DocSim.taxonomy_report import Space
from models.DocSim.texts import TextReader
from models.errors import ArtifactError, shorten
from models.serving import Lessons

if TYPE_CHECKING:
    from pathlib import Path

    from models.DocSim.params import DocSimParams
    from models.DocSim.vectors import WordVectors
    from models.params import Params
    from models.serving import Material


def check_extras(material: Material, raw: Params) -> None:
    """Raise the errors that `add_extras` would raise for the files which the parameters name."""
    raw.flag("documents", default=False)
    raw.words("document_fields")
    taxonomy_file, tags_file = (_file(material, raw, key) for key in ("taxonomy_uri", "tags_uri"))
    if taxonomy_file is not None:
        read_taxonomy(taxonomy_file)
    elif tags_file is not None:
        raise ArtifactError(raw.file, "tags_uri needs a taxonomy_uri: what should cover the tags?")
    if tags_file is not None:
        tag_report.read_tags(tags_file)


def add_extras(
    material: Material, raw: Params, params: DocSimParams, vectors: WordVectors, output_dir: Path
) -> Lessons:
    """Write what the parameters ask for, checked, into `output_dir`. Raises CorpusError."""
    facts: dict[str, object] = {}
    reports: dict[str, str] = {}
    space = Space(TextReader(params, vectors), vectors, params.stop_words)
    table = _file(material, raw, "documents_uri")
    if table is None and raw.flag("documents", default=False):
        table = material.corpus
    if table is not None:
        wanted = Wanted.by(raw)
        if table != material.corpus:  # the parameters tell how the corpus is written
            wanted = replace(wanted, told=None)
        facts["documents"] = write_documents(output_dir, table, space.reader, wanted)
    taxonomy_file, tags_file = (_file(material, raw, key) for key in ("taxonomy_uri", "tags_uri"))
    if taxonomy_file is not None:
        taxonomy = read_taxonomy(taxonomy_file)
        (output_dir / TAXONOMY_FILE).write_text(taxonomy.to_json(), encoding="utf-8")
        found = taxonomy_report.suggestions(taxonomy, space)
        reports |= taxonomy_report.report_files(taxonomy, found, len(vectors.vectors))
        facts |= {
            "taxonomy_tags": len(taxonomy.tags),
            "taxonomy_terms": len(taxonomy.terms),
            "taxonomy_terms_unknown": sum(not each.is_known for each in found),
        }
        if tags_file is not None:
            covered = tag_report.coverage(taxonomy, tag_report.read_tags(tags_file), space)
            reports |= tag_report.report_files(covered)
            facts["tags_not_covered"] = sum(each.covered_by is None for each in covered)
    return Lessons(facts, reports)


def _file(material: Material, raw: Params, key: str) -> Path | None:
    uri = raw.values.get(key)
    if uri is None or uri == "":
        return None
    if key not in material.files:
        raise ArtifactError(raw.file, f"{key} is {shorten(uri)}: there is no such file at hand")
    return material.files[key]
