"""What the topics of a training are about, for the report: their words, and whose titles they lead.

A topic leads a title if it has the largest share of it. Which share that is comes from training
itself, so telling it costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_TOPICS, TOP_WORDS = 100, 10
"""So many topics are told of, those that lead most titles; and so many words of each."""
SHOWN_CHARS = 100


def titles_led(
    leaders: NDArray[np.intp], words_of_titles: NDArray[np.int64], n_topics: int
) -> NDArray[np.intp]:
    """How many titles each topic leads; one without counted words is led by none.

    *Shapes*: the leading topic and the number of counted words of each title, (titles,).
    """
    return np.bincount(leaders[words_of_titles > 0], minlength=n_topics)


def topic_facts(
    words: Sequence[str], components: NDArray[np.float64], leads: NDArray[np.intp]
) -> list[dict[str, object]]:
    """The topics by the number of titles they lead, each with its heaviest words.

    A word's weight is its probability in the topic. *Shape* of components: (topics, words).
    """
    order = np.argsort(-leads, kind="stable")[:MAX_TOPICS]
    return [
        {
            "topic": int(topic),
            "titles_led": int(leads[topic]),
            "words": _heaviest(words, components[topic]),
        }
        for topic in order
    ]


def _heaviest(words: Sequence[str], weights: NDArray[np.float64]) -> list[list[object]]:
    columns = np.argsort(-weights, kind="stable")[:TOP_WORDS]
    total = weights.sum()
    return [
        [words[column][:SHOWN_CHARS], round(float(weights[column] / total), 5)]
        for column in columns
    ]
