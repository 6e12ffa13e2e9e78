"""DataProcessing: what of a record is sent, and what of record and answer is kept.

Without filters and joins a payload's answer is kept as the model gave it, whatever it is. With
them an answer is taken apart: rows of CSV, lines of JSON, or the items of one JSON list, as many
as there are records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.records import LINE, NONE
from mme.jobs.transform.spec import CSV, JSON, SINGLE_RECORD, format_of
from mme.jobs.transform.targets import csv_line, csv_row, json_line, json_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.jobs.transform.payloads import Payload
    from mme.jobs.transform.spec import Transform

OUTPUT_KEY, INPUT_KEY = "SageMakerOutput", "SageMakerInput"


class Processor:
    """The processing of one transform."""

    def __init__(self, transform: Transform) -> None:
        self._processing = transform.processing
        self._format = format_of(transform.content_type)
        self._accept = transform.accept
        self._end = b"\n" if transform.assemble_with == LINE else b""
        self._is_several = transform.strategy != SINGLE_RECORD and transform.split_type != NONE

    def __bool__(self) -> bool:
        """Whether records are needed again when the answer comes."""
        return bool(self._processing)

    def sent(self, record: bytes) -> bytes:
        """What of a record is sent. Raises BadInput."""
        path = self._processing.input_filter
        if not path:
            return record
        if self._format == CSV:
            return csv_line(_row(path.select(csv_row(record))))
        return json_line(path.select(json_value(record)))

    def kept(self, payload: Payload, answer: bytes, content_type: str) -> bytes:
        """What is written for a payload's answer. Raises BadInput."""
        if not self._processing:
            return self._ended(answer)
        try:
            outputs = self._outputs(answer, content_type, payload.record_count)
            lines = [
                self._line(source, output)
                for source, output in zip(payload.sources, outputs, strict=True)
            ]
        except BadInput as error:
            raise BadInput(f"the answer to {payload.place}: {error}") from None
        return self._ended(b"\n".join(lines))

    def _ended(self, content: bytes) -> bytes:
        return content if not self._end or content.endswith(self._end) else content + self._end

    def _outputs(self, answer: bytes, content_type: str, count: int) -> Sequence[Any]:
        """The answer by records: rows where records are CSV, JSON values where they are JSON."""
        form = format_of(content_type) or format_of(self._accept)
        if form == JSON:
            value = json_value(answer)
            is_list = isinstance(value, list) and (self._is_several or count > 1)
            outputs = value if is_list else [value]
        else:
            lines = [line for line in answer.split(b"\n") if line.strip()]
            is_csv = form == CSV or (not form and self._format == CSV)
            outputs = [csv_row(line) if is_csv else json_value(line) for line in lines]
        if len(outputs) != count:
            raise BadInput(f"it has {len(outputs)} parts for {count} records")
        if self._format != CSV:
            return outputs
        return [_row(output) for output in outputs]

    def _line(self, source: bytes, output: Any) -> bytes:
        path, is_joined = self._processing.output_filter, self._processing.is_joined
        if self._format == CSV:
            if is_joined and not path:
                return source.rstrip(b"\r") + b"," + csv_line(output)
            row = (csv_row(source) if is_joined else []) + output
            return csv_line(_row(path.select(row)))
        if is_joined:
            value = json_value(source)
            if not isinstance(value, dict):
                value = {INPUT_KEY: value}
            output = {**value, OUTPUT_KEY: output}
        return json_line(path.select(output))


def _row(value: Any) -> list[str]:
    """A value as columns."""
    values = value if isinstance(value, list) else [value]
    return [each if isinstance(each, str) else json_line(each).decode() for each in values]
