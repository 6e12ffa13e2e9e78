"""`python -m benchmarks [NAME ...]`: measure, print the table, write it into README.md."""

from __future__ import annotations

import argparse
import importlib
import time

from benchmarks.share import is_whole
from benchmarks.table import NotPossible, machine_facts, markdown, write_section

NAMES = {
    "cold": "a cold invocation, and the first one ever, against stock",
    "memory": "what a loaded model takes against stock",
    "overhead": "a model that does nothing, against stock",
    "scripts": "script models, against the toolkit on stock",
    "batching": "requests that wait for a sentence encoder, computed at once",
    "ensembles": "the sample ensemble, against its steps one by one",
    "peers": "the same work by Triton, MLServer and mosec (installs them once)",
    "known": "a hundred thousand artifacts in the store and on the disk",
    "slow": "fifty models beside one that computes for seconds",
    "churn": "one model while others come and go",
    "many": "ten thousand models in a container of 1 GiB and 256 tasks",
    "spread": "ten thousand models behind four containers and HAProxy, against random routing",
    "plan": "the capacity planner against the endpoint, on a trace both run",
    "replay": "the capacity planner's replay of a hundred million requests",
    "docsim": "DocSim in the worker against gensim as stock used it",
    "topical_pagerank": "keyphrases in a worker: requests, steps, tagging, loading",
    "policies": "eviction policies on replayed traces",
    "search": "what Search finds, and what it costs, against plain BM25",
    "training": "both families from a corpus",
    "chaos": "what callers notice of dying processes",
    "asynchronous": "asynchronous invocations a minute, and ten deaths of the endpoint",
    "container": "the image: size, start, idle memory (needs `make image`)",
    "pressure": "ten minutes with ten times too many models",
}


def main() -> None:
    """Run the benchmarks that were asked for, all by default."""
    listing = "".join(f"\n  {name:17}{text}" for name, text in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure the endpoint.{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all)")
    parser.add_argument("--dry", action="store_true", help="only print; leave README.md as it is")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    facts = machine_facts()
    print("\n".join(facts), flush=True)
    for name in options.names or NAMES:
        began_s = time.monotonic()
        print(f"\n{name}: {NAMES[name]} …", flush=True)
        try:
            module = importlib.import_module(f"benchmarks.{name}")
            table = markdown(module.measure(), getattr(module, "COMPARED_WITH", "stock"))
        except NotPossible as error:
            print(f"not measured: {error}", flush=True)
            continue
        print(f"{table}\n({time.monotonic() - began_s:.0f} s)", flush=True)
        if not options.dry and is_whole():
            write_section(name, f"{table}\n\n{'; '.join(facts)}.")


if __name__ == "__main__":
    main()
