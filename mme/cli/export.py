"""`mme export`: its options, what it prints, its exit codes."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.cli.options import JsonOption  # noqa: TC001 - typer reads it
from mme.core.command_options import argument, check_local, option
from mme.training.archive import write_archive
from models.Embedding.comparison import compare, measure
from models.Embedding.export import Wanted
from models.Embedding.export import export as export_folder
from models.Embedding.export import quantize as make_int8
from models.Embedding.folder import NotExportable
from models.errors import ServingError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """\
examples:
  mme export all-MiniLM-L6-v2/ --output artifacts/minilm.tar.gz
  mme export all-MiniLM-L6-v2/ --output artifacts/minilm-int8.tar.gz --quantize int8 \\
      --sentences sentences.txt
  mme export e5-small/ --output e5.tar.gz --set 'prefix=query: ' --set 'passage_prefix=passage: '

The folder is as Hugging Face lays it out: tokenizer.json, config.json, and an ONNX file or weights,
model.safetensors or pytorch_model.bin, of the type bert, roberta or xlm-roberta. Nothing is
fetched."""
CORPORA = Path(__file__).parents[2] / "models" / "corpus"
SHIPPED = ("factchecks_en.csv", "factchecks_de.csv")
FROM_EACH = 50


def export(
    folder: Annotated[Path, argument("FOLDER", "the model's folder")],
    *,
    output: Annotated[Path, option("--output", "FILE", "the artifact, a .tar.gz")],
    quantize: Annotated[
        Literal["int8"] | None,
        option("--quantize", None, "weights in eight bits, compared with the full ones"),
    ] = None,
    onnx: Annotated[
        str | None, option("--onnx", "NAME", "the ONNX file in the folder, where it has several")
    ] = None,
    sets: Annotated[
        list[str] | None,
        option("--set", "KEY=VALUE", "a parameter of the artifact, as pooling=cls"),
    ] = None,
    sentences: Annotated[
        Path | None,
        option("--sentences", "FILE", "texts to compare by, one a line (default: shipped claims)"),
    ] = None,
    report: Annotated[
        Path | None, option("--report", "FILE", "write sizes, times and cosines there, as JSON")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make an artifact of the family Embedding from a local model folder."""
    check_local(output, "--output")
    try:
        params, texts = _params(sets or []), _texts(sentences)
    except (OSError, ValueError) as error:
        print(f"mme export: {error}", file=sys.stderr)
        return EXIT_USAGE
    wanted = Wanted(folder, onnx, params)
    try:
        found = _made(wanted, output, texts, is_small=quantize is not None)
    except (NotExportable, ServingError, OSError) as error:
        print(f"mme export: {error}", file=sys.stderr)
        return EXIT_FAILED
    content = json.dumps(found, ensure_ascii=False, indent=2)
    if report is not None:
        report.write_text(f"{content}\n", encoding="utf-8")
    print(content if as_json else _as_text(found))
    return EXIT_OK


def _made(wanted: Wanted, output: Path, texts: Sequence[str], *, is_small: bool) -> dict[str, Any]:
    """Make, try and pack an artifact; returns the report. Raises NotExportable, ServingError."""
    with tempfile.TemporaryDirectory(prefix="mme-export-") as made:
        full, small, scratch = (Path(made, name) for name in ("full", "small", "scratch"))
        params = export_folder(wanted, full)
        if is_small:
            make_int8(full, small)
            found = compare(full, small, scratch, texts)
        else:
            measured, _ = measure(full, scratch, texts)
            found = {"full": asdict(measured)}
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f".{output.name}.partial")
        try:
            write_archive(small if is_small else full, partial)
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)
    archive_bytes = output.stat().st_size
    return {"artifact": str(output), "archive_bytes": archive_bytes, "params": params, **found}


def _params(sets: Sequence[str]) -> dict[str, object]:
    """KEY=VALUE pairs; a value that is JSON is what it says. Raises ValueError."""
    found: dict[str, object] = {}
    for each in sets:
        key, equals, value = each.partition("=")
        if not key or not equals:
            raise ValueError(f"--set {each!r} is not KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _texts(sentences: Path | None) -> list[str]:
    """What to compare by. Raises OSError, ValueError."""
    if sentences is not None:
        lines = sentences.read_text("utf-8").splitlines()
        if texts := [line for line in lines if line.strip()]:
            return texts
        raise ValueError(f"{sentences} has no sentences")
    texts = []
    for name in SHIPPED:
        with (CORPORA / name).open(encoding="utf-8", newline="") as file:
            texts += [row["claim_text"] for row in csv.DictReader(file)][:FROM_EACH]
    return texts


def _as_text(found: dict[str, Any]) -> str:
    lines = [f"{found['artifact']}: {_mib(found['archive_bytes'])}"]
    lines += [
        f"{name}: model {_mib(measured['model_bytes'])}, loads in {measured['load_ms']} ms;"
        f" a text {measured['one_ms']} ms, 8 texts at once {measured['together_ms']} ms,"
        f" one by one {measured['one_by_one_ms']} ms"
        for name in ("full", "quantized")
        if (measured := found.get(name))
    ]
    if "cosine_mean" in found:
        lines.append(
            f"cosine with the full model over {found['texts']} texts: mean {found['cosine_mean']},"
            f" worst {found['cosine_worst']} ({found['worst_text']!r})"
        )
    return "\n".join(lines)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
