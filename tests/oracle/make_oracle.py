"""Make the data of the oracle: what pke and gensim answer to the cases in `cases.py`.

    PYTHONPATH=. python tests/oracle/make_oracle.py

It needs pke 2.0 (`pip install 'mme[pke]'`), which is GPL and therefore neither a dependency of this
project nor needed by any test: tests read the files. The texts are those of the sample corpora. pke
gets them as words and tags, which are stored too, so that the numbers depend on no tagger. Written
are `keyphrases.json`, `similarities.json`, and `pke-lda-de.pickle.gz`, a model file of pke.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pke
from gensim.models import KeyedVectors
from gensim.models.doc2vec import Doc2Vec, TaggedDocument
from gensim.utils import simple_preprocess
from nltk.stem.snowball import SnowballStemmer
from pke.lang import stopwords
from pke.unsupervised import TopicalPageRank

from models.language.pipelines import pipeline, tag
from tests.oracle.cases import CASES, HARD_TO_STEM, PAIRS, SIMILARITY_STOP_WORDS

FOLDER = Path(__file__).parent
CORPORA = FOLDER.parents[1] / "models" / "corpus"
LETTERS = re.compile(r"(?<!\S)[A-Za-zÄÖÜäöüß]{2,}(?=[.,:;?!]*(?:\s|$))")
"""Words that every tokenizer makes one token of."""
TOPICS = 3
STEMS = 500
DIMENSIONS = 12
MIN_COUNT = 6


def main() -> None:
    """Write the three files."""
    corpora = {language: _rows(language) for language in ("de", "en")}
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = {
            name: _topics(corpora[name[:2]], name, Path(scratch))
            for name in ("de", "de-stems", "en-stems")
        }
        cases = [_keyphrases(name, case, corpora, models) for name, case in CASES.items()]
        # The file as pke wrote it, but for the time in its header.
        content = gzip.decompress(Path(scratch, "de").read_bytes())
    (FOLDER / "pke-lda-de.pickle.gz").write_bytes(gzip.compress(content, mtime=0))
    described = {name: {"texts": each["texts"], **each["shown"]} for name, each in models.items()}
    versions = _versions("pke", "networkx", "numpy", "scipy", "scikit-learn", "nltk")
    stems = {language: _stems(rows, language) for language, rows in corpora.items()}
    made = {"versions": versions, "topics": described, "stems": stems, "cases": cases}
    _write("keyphrases.json", made)
    _write("similarities.json", _similarities(corpora["de"]))


def _rows(language: str) -> dict[str, dict[str, str]]:
    with (CORPORA / f"factchecks_{language}.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def _topics(rows: dict[str, dict[str, str]], name: str, scratch: Path) -> dict[str, Any]:
    """A topic model by pke, of words in lower case or stemmed, that knows part of the texts."""
    language, _, stems = name.partition("-")
    used = {id_ for case in CASES.values() for id_ in case.get("texts", ()) if id_ in rows}
    places = [place for place, id_ in enumerate(rows) if id_ in used]
    # A third of the texts stay unknown, but for words that their neighbours in the corpus share.
    chosen = {place + 1 for place in places} | set(places) - set(places[::3])
    texts = [
        " ".join(LETTERS.findall(f"{row['title']} {row['claim_text']}"))
        for place, row in enumerate(rows.values())
        if place in chosen
    ]
    pke.utils.compute_lda_model(
        # Any tag but PUNCT will do: pke leaves that out.
        [[[(word, "X") for word in text.split()]] for text in texts],
        str(scratch / name),
        n_topics=TOPICS,
        language=language,
        normalization="stemming" if stems else None,
    )
    vocabulary, model = pke.utils.load_lda_model(str(scratch / name))
    shown = {
        "vocabulary": list(vocabulary),
        "components": model.components_.tolist(),
        "exp_dirichlet": model.exp_dirichlet_component_.tolist(),
        "doc_topic_prior": model.doc_topic_prior_,
    }
    return {"texts": texts, "shown": shown, "loaded": (vocabulary, model)}


def _keyphrases(
    name: str,
    case: dict[str, Any],
    corpora: dict[str, dict[str, dict[str, str]]],
    models: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """A case with its words and tags, and all keyphrases in pke's order or pke's error."""
    language = case["topics"][:2]
    params = case.get("params", {})
    sentences = case.get("sentences")
    if sentences is None:
        texts = [corpora[language][each]["claim_text"] for each in case["texts"]]
        sentences = tag(pipeline(language), " ".join(texts))
    words = [[word for word, _ in sentence] for sentence in sentences]
    tags = [" ".join(pos for _, pos in sentence) for sentence in sentences]
    made = {"name": name, "topics": case["topics"], "params": params, "words": words, "tags": tags}
    extractor = TopicalPageRank()
    extractor.load_document(
        input=[[tuple(pair) for pair in sentence] for sentence in sentences],
        language=language,
        stoplist=params.get("stop_words", sorted(stopwords[language])),
        normalization="stemming" if params.get("normalization") == "stemming" else None,
    )
    try:
        extractor.candidate_selection(grammar=params.get("grammar", "NP: {<ADJ>*<NOUN|PROPN>+}"))
        extractor.candidate_weighting(
            window=params.get("window", 10),
            pos=set(params.get("pos", ("ADJ", "NOUN", "PROPN"))),
            lda_model=models[case["topics"]]["loaded"],
            normalized=params.get("normalized", False),
        )
    except (ValueError, KeyError) as error:
        return {**made, "error": f"{type(error).__name__}: {error}"}
    best = extractor.get_n_best(n=len(extractor.candidates))
    return {**made, "keyphrases": [[phrase, float(score)] for phrase, score in best]}


def _stems(rows: dict[str, dict[str, str]], language: str) -> str:
    """Words of the corpus and their stems in turn, as pke takes them from NLTK."""
    words = {word for row in rows.values() for word in LETTERS.findall(row["claim_text"])}
    chosen = sorted(words)[:: -(-len(words) // STEMS)] + HARD_TO_STEM[language].split()
    stemmer = SnowballStemmer("porter" if language == "en" else pke.lang.langcodes[language])
    return " ".join(f"{word} {stemmer.stem(word).lower()}" for word in chosen)


def _similarities(rows: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Word vectors of the claims by gensim, and its similarities of pairs of texts."""
    stop_words = set(SIMILARITY_STOP_WORDS)
    documents = [
        TaggedDocument(
            [word for word in simple_preprocess(row["claim_text"]) if word not in stop_words],
            [number],
        )
        for number, row in enumerate(rows.values())
    ]
    model = Doc2Vec(
        documents, vector_size=DIMENSIONS, min_count=MIN_COUNT, epochs=300, seed=1, workers=1
    )
    vectors = KeyedVectors(DIMENSIONS)
    # Rounded, so that a JSON file of them stays small; float32 takes these numbers exactly.
    rounded = (np.round(model.wv.vectors * 1024) / 1024).astype(np.float32)
    vectors.add_vectors(model.wv.index_to_key, rounded)
    pairs = []
    for first, second in PAIRS:
        texts = [rows[text]["claim_text"] if text in rows else text for text in (first, second)]
        known = [
            [word for word in simple_preprocess(text) if word in vectors and word not in stop_words]
            for text in texts
        ]
        score = str(np.float32(vectors.n_similarity(*known))) if all(known) else "0.00"
        pairs.append([*texts, score])
    return {
        "versions": _versions("gensim", "numpy"),
        "stop_words": sorted(stop_words),
        "vocabulary": list(vectors.index_to_key),
        "vectors": rounded.tolist(),
        "pairs": pairs,
    }


def _versions(*names: str) -> dict[str, str]:
    return {name: version(name) for name in names if name != "pke"} | (
        {"pke": "2.0.0"} if "pke" in names else {}
    )


def _write(name: str, content: dict[str, Any]) -> None:
    """JSON with the members of long lists on lines of their own, so that changes can be read."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    (FOLDER / name).write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
