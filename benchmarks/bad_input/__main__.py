r"""What becomes of bad input: refused, flagged, right, silent, traceback or hang.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.bad_input [AREA ...]

prints a line for each case and the table of counts, and ends with 1 where a case among those that
can be detected is silent, a traceback or a hang, or otherwise not as expected. ``--mutations 100``
adds that many random damages for each modality, from ``--seed``.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

from benchmarks import bad_input

from .harness import Result, results, table


def areas() -> dict[str, object]:
    """Modules of this package that have cases, by name."""
    names = [module.name for module in pkgutil.iter_modules(bad_input.__path__)]
    modules = {
        name: importlib.import_module(f"{bad_input.__name__}.{name}")
        for name in names
        if name != "__main__"
    }
    return {name: module for name, module in modules.items() if hasattr(module, "cases")}


def main() -> int:
    """Run the cases; the exit status."""
    known = areas()
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("areas", nargs="*", help=f"of {', '.join(known)}; all where none is named")
    parser.add_argument("--mutations", type=int, default=0, help="random damages per modality")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="identifiers of cases")
    parser.add_argument("--limit-s", type=float, default=120.0, help="until a case hangs")
    asked = parser.parse_args()
    if unknown := sorted({*asked.areas} - {*known}):
        parser.error(f"{', '.join(unknown)}: known areas are {', '.join(known)}")
    done: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        for area in asked.areas or known:
            work = Path(folder) / area
            work.mkdir()
            cases = known[area].cases(work, mutations=asked.mutations, seed=asked.seed)
            if asked.only is not None:
                cases = [case for case in cases if case.id in asked.only]
            for result in results(cases, Path(folder) / "cases", limit_s=asked.limit_s):
                done.append(result)
                mark = " " if result.good else "!"
                print(
                    f"{mark} {result.case.area} {result.case.id}: {result.case.planted}: "
                    f"{result.outcome.verdict}: {result.outcome.words[:300]}",
                    flush=True,
                )
    print(table(done))
    return 0 if all(result.good for result in done) else 1


if __name__ == "__main__":
    sys.exit(main())
