"""The family Script: reads an artifact without running its code, and starts it where told to."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, cast

from models.errors import CodeNotAllowed, CorpusError
from models.own_modules import OwnModules, forget
from models.Script.requirements import FILE, read_requirements
from models.Script.source import ENTRY, read_source
from models.serving import Needs, Request

if TYPE_CHECKING:
    from models.serving import Lessons, LoadedModel, Material, Progress, Response

log = logging.getLogger(__name__)

RUNNING = "models.Script.running"
NEEDS = Needs(is_data=False, is_code=True)
MINIATURE = '''"""What a script does: once with the toolkit's own functions, and with a context."""


def model_fn(model_dir, context):
    return 2


def predict_fn(data, model):
    return data * model
'''


class Script:
    """Whatever its artifact's code does."""

    name = "Script"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read and check the code, which does not run; raises ArtifactError."""
        del scratch
        return ScriptModel(Path(model_dir))

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """A script that multiplies an array."""
        del scratch
        importlib.import_module(RUNNING)  # whatever time is left for the rest
        (model_dir / ENTRY).parent.mkdir()
        (model_dir / ENTRY).write_text(MINIATURE, "utf-8")
        return Request("application/json", None, b"[[1, 2.5], [3, 4]]")

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Raise CorpusError: scripts are written."""
        del output_dir, progress
        raise CorpusError(material.corpus, "scripts are written, not trained")


class ScriptModel:
    """A script that does not run yet."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._source = read_source(model_dir)

    def predict(self, request: Request) -> Response:
        """Raise CodeNotAllowed: nobody has started it."""
        del request
        raise CodeNotAllowed(ENTRY)

    def describe(self) -> dict[str, object]:
        """Functions of the toolkit it has, and what of its requirements is missing here."""
        told: dict[str, object] = {"family": "Script", "functions": list(self._source.functions)}
        wanted = read_requirements(self._model_dir)
        return told if wanted is None else told | {"requirements": wanted.as_json()}

    def needs(self) -> Needs:
        """A process of its own, and leave to run."""
        return NEEDS

    def start(self) -> LoadedModel:
        """Run the code in this process, which must be its own, and return the model it makes.

        Raises a ServingError that tells what the code raised.
        """
        wanted = read_requirements(self._model_dir)
        if wanted is not None and wanted.missing:
            log.warning("%s asks for what is missing here: %s", FILE, ", ".join(wanted.missing))
        # Imported here, before the code may hide modules: an admission needs none of the toolkit.
        running = importlib.import_module(RUNNING)
        OwnModules([(self._model_dir / ENTRY).parent]).take_turn()
        try:
            made = running.RunningScript(self._model_dir, self.describe(), self.needs())
        except BaseException:
            forget()  # or another try would find the artifact's modules for ours
            raise
        return cast("LoadedModel", made)


FAMILY = Script()
