"""Requests that ask something of one text or of several: from a body to texts that can be used.

A body is the text itself (`text/plain`), or a JSON object with one of two keys, such as `text` and
`texts`, and options beside it; a tensor of texts is as a list of them. The options' values are left
to the family, as is everything about requests of another shape; `bodies` has the single checks.

A list may hold texts that cannot be used. They do not refuse the others: the answer has an error in
their place. What is wrong with a request of one text, or with a list as a whole, is a BadInput.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.bodies import check_keys, check_text, decode, decode_text, parse_json
from models.errors import BadInput, shorten
from models.media import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from models.media import MediaType


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks. The texts are checked, the options' values are not."""

    texts: list[str]
    """Those that can be used, in their order."""
    options: Mapping[str, Any] = field(default_factory=dict)
    is_plain: bool = False
    """Whether the body was the text itself."""
    is_single: bool = True
    """Whether one text was sent rather than a list, which may be of one."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """Number of a text of the list that cannot be used, from 0 -> what is wrong with it."""

    @property
    def numbers(self) -> list[int]:
        """Which of the texts sent each of `texts` is, from 0."""
        sent = range(len(self.texts) + len(self.refused))
        return [number for number in sent if number not in self.refused]

    def in_order(self, results: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """A result for each text sent: those of `texts`, and `{"error": ...}` for the others.

        Each of `results` is taken when it is its turn.
        """
        left = iter(results)
        for number in range(len(self.texts) + len(self.refused)):
            yield {"error": self.refused[number]} if number in self.refused else next(left)


@dataclass(frozen=True, slots=True)
class QuestionReader:
    """Reads the requests of one model. All errors are BadInput."""

    noun: str
    """What a text is called, which is also its key: `text`, or `claim`. The other adds an s."""
    advice: str
    """What to send instead of a blank text."""
    max_chars: int
    """The most characters of a text, and of all texts of a request together."""
    options: tuple[str, ...]
    """The other keys there may be."""
    max_texts: int | None = None
    takes_bare: bool = False
    """Whether the JSON may also be a string or a list instead of an object."""

    def read(self, body: bytes, media: MediaType) -> Question:
        """Read a body of the type `media`: text/plain or application/json."""
        text = decode(body, media)
        if media.name == PLAIN:
            return Question([self._check(text, f"The {self.noun}")], is_plain=True)
        value = parse_json(text)
        if isinstance(value, dict):
            return self._of_object(value)
        if not self.takes_bare:
            raise BadInput(f"The JSON body must be an object, not {shorten(value, 60)}")
        if isinstance(value, list):
            return self._of_list(value, {})
        return Question([self._check(value, f"The {self.noun}")])

    def read_tensor(self, texts: Iterable[bytes], options: Mapping[str, object]) -> Question:
        """The texts of a tensor, each in UTF-8; the request's parameters are the options."""
        check_keys(dict(options), self.options)
        return self._of_list([*texts], dict(options))

    def _of_object(self, value: dict[str, Any]) -> Question:
        one, many = self.noun, f"{self.noun}s"
        check_keys(value, (one, many, *self.options))
        if (one in value) == (many in value):
            raise BadInput(f'The JSON object must have either "{one}" or "{many}"')
        options = {key: value[key] for key in self.options if key in value}
        if one in value:
            return Question([self._check(value[one], one)], options)
        if not isinstance(value[many], list):
            raise BadInput(f"{many} must be a list of strings, not {shorten(value[many])}")
        return self._of_list(value[many], options)

    def _of_list(self, values: Sequence[object], options: dict[str, Any]) -> Question:
        many = f"{self.noun}s"
        if self.max_texts is not None and len(values) > self.max_texts:
            raise BadInput(f"There are {len(values)} {many}; at most {self.max_texts} are taken")
        name = self.noun.capitalize()
        texts: list[str] = []
        refused: dict[int, str] = {}
        total = 0
        for number, value in enumerate(values):
            try:
                texts.append(self._check(value, f"{name} {number}"))
            except BadInput as error:
                refused[number] = error.message
                continue
            total += len(texts[-1])
        if total > self.max_chars:
            raise BadInput(
                f"The {many} have {total} characters; at most {self.max_chars} are taken"
            )
        return Question(texts, options, is_single=False, refused=refused)

    def _check(self, text: object, what: str) -> str:
        if isinstance(text, bytes):
            text = decode_text(text, what)
        checked = check_text(text, what, self.max_chars)
        if not checked.strip():
            raise BadInput(f"{what} is blank: {self.advice}")
        return checked
