"""Models that answer as a test says, and what they were asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from mme.core.answer import Answer
from mme.core.pipeline_key import Step, key_of_steps
from mme.core.terms import PLAIN
from mme.pipelines.models import PipelinedModels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.terms import Terms
    from mme.pipelines.definition import Pipeline


@dataclass(frozen=True)
class Asked:
    key: str
    headers: Mapping[str, str]
    body: bytes
    terms: Terms


def answered(body=b"", content_type="text/plain", status=200, **facts):
    headers = {"content-type": content_type} if content_type else {}
    return Answer(status, headers | facts.pop("headers", {}), body, **{"cold": False} | facts)


@dataclass
class FakeModels:
    """By key: what each answers (None: nothing, ever), or raises; and in how many seconds."""

    answers: dict[str, Answer | Exception | None] = field(default_factory=dict)
    takes_s: dict[str, float] = field(default_factory=dict)
    now_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Those whose caller did not wait."""

    async def invoke(self, target, headers, body, terms=PLAIN):
        self.asked.append(Asked(target, dict(headers), body, terms))
        self.now_s += self.takes_s.get(target, 0.0)
        answer = self.answers.get(target, answered(body + target.encode()))
        if answer is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.append(target)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def clock(self):
        return self.now_s


async def no_url(step, headers, body, terms):
    raise AssertionError(step.url)


@pytest.fixture
def models():
    return FakeModels()


@pytest.fixture
def pipelined(models):
    """Makes the engine of models and pipelines, with a clock that the models move."""

    def make(*pipelines: Pipeline, urls=no_url, timeout_s=60.0):
        named = {each.name: each for each in pipelines}
        return PipelinedModels(models, named, urls, timeout_s, clock=models.clock)

    return make


def key_of(*keys: str, chosen: str = "") -> str:
    """The key of a pipeline that was created, of these models; `chosen` is what a caller named."""
    return key_of_steps(
        "e",
        [
            Step(f"container-{number}", key, chosen if chosen and key.endswith(chosen) else "")
            for number, key in enumerate(keys, 1)
        ],
    )
