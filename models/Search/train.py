"""Training Search: an index of the documents of a corpus, and vectors of words and of documents.

Reads the columns that `id_column`, `title_column` and `text_column` name, keeps all others. The
same corpus and parameters give the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.encoding.encoders import NoEncoderError
from models.errors import ArtifactError, CorpusError
from models.language.stop_words import learn_stop_words
from models.params import Params
from models.Search.analysis import Analyser
from models.Search.building import Recipe, assemble, build
from models.Search.calibrating import Embedded, learn_relevance
from models.Search.corpus import find_columns
from models.Search.embedding import DocumentEncoder
from models.Search.gathering import Documents, gather
from models.Search.index_file import write_index
from models.Search.meaning_file import FILE, write_vectors
from models.Search.near_duplicates import near_duplicates
from models.Search.params import KEYS, parse_bm25, parse_params
from models.serving import Lessons
from models.training_params import read_effort, warn_of_typos, write_params

if TYPE_CHECKING:
    from pathlib import Path

    from models.Search.corpus import Columns
    from models.Search.gathering import Gathered
    from models.Search.index_file import Index
    from models.Search.params import SearchParams
    from models.serving import Material, Progress

SEED = 1
MAX_VECTOR_SIZE = 1000


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `Search-params.json`, `Search-model` and, with an embedding, `Search-embedding`.

    Raises CorpusError and ArtifactError.
    """
    raw = Params("Search-params.json", material.params)
    checked, bm25 = parse_params(raw), parse_bm25(raw)
    vector_size = raw.whole_number("vector_size", 100, minimum=0, maximum=MAX_VECTOR_SIZE)
    seed = read_effort(raw, SEED).seed
    learn_stop_words(raw, (), 0)  # raises for a faulty parameter before the corpus is read
    warn_of_typos(raw, KEYS)
    path = material.corpus
    columns = _columns(path, raw, checked)
    encoder = _encoder(checked, material, raw.file, progress)
    documents = Documents(path, columns, is_cleaned=not checked.is_original)
    gathered = gather(documents, bm25.title_weight, progress)
    counted = gathered.counted
    learnt = learn_stop_words(raw, counted.document_counts(), len(counted)) - checked.stop_words
    stop_words = checked.stop_words | learnt
    recipe = Recipe(Analyser(checked.language, stop_words), bm25, vector_size, seed)
    with progress(1, "step", "Search: index and vectors of words") as bar:
        postings, vectors = build(counted, recipe)
        bar.update(1)
    if not postings.n_words:
        raise CorpusError(path, f"has only stop words in column {columns.searched}")
    index = assemble(gathered.cells, postings, vectors)
    embedded = None
    if encoder is not None:
        texts = ((document.title, document.text) for document in documents)
        embedded = Embedded(encoder, encoder.encode(texts, "encoding documents"))
        write_vectors(output_dir / FILE, encoder.pack(embedded.of_documents))
    relevance, told = learn_relevance(documents, recipe, checked, embedded, progress)
    write_index(output_dir / "Search-model", replace(index, relevance=relevance))
    write_params(output_dir, raw, stop_words)
    facts = {
        "read_as": str(columns.form),
        "columns": list(columns.names),
        "stop_words": sorted(stop_words),
        "learnt_stop_words": sorted(learnt),
        "embedding": checked.embedding or checked.embedding_target,
        "passages": sum(map(len, embedded.of_documents)) if embedded else 0,
        "relevance": told,
        "seed": seed,
        "reproducible": "to the byte",
        "near_duplicates": near_duplicates(counted, columns, gathered.cells),
    }
    return Lessons(_sizes(gathered, index, postings.n_words) | facts)


def _columns(path: Path, raw: Params, checked: SearchParams) -> Columns:
    columns = find_columns(path, raw)
    if unknown := [name for name in checked.fields or () if name not in columns.names]:
        found = ", ".join(columns.names)
        raise CorpusError(path, f"has no column {unknown[0]!r}, as in fields; its columns: {found}")
    return columns


def _sizes(gathered: Gathered, index: Index, n_words: int) -> dict[str, object]:
    n_documents = len(gathered.counted)
    return {
        **gathered.tally.facts(),
        "documents": n_documents,
        "vocabulary_words": n_words,
        "terms": len(index.terms),
        "postings": len(index.documents),
        "frequent_terms": len(index.frequent_terms),
        "mean_words_of_a_document": round(gathered.tally.words / n_documents, 2),
        "dimensions": index.word_vectors.shape[1],
    }


def _encoder(
    checked: SearchParams, material: Material, file: str, progress: Progress
) -> DocumentEncoder | None:
    target = checked.embedding_target
    if target is not None:
        if "embedding_uri" not in material.files:
            raise ArtifactError(
                file, f"embedding asks {target}: embedding_uri must say where that artifact is"
            )
        artifact = material.files["embedding_uri"]
        return DocumentEncoder.of_artifact(artifact, target, checked.language, progress)
    if checked.embedding is None:
        return None
    try:
        return DocumentEncoder.installed(checked.embedding, progress)
    except NoEncoderError as error:
        raise ArtifactError(file, str(error)) from error
