"""Cases side by side on one Slurm: each has a study of its own, and mostly waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.cluster_faults.cases import ALONE, CASES, LOCAL, Judged
from benchmarks.cluster_faults.lab import Lab, end_runs

#: How many at once: two cores compute what these begin.
AT_ONCE = 5


@dataclass(frozen=True)
class Begun:
    """Cases that were begun, and those that wait until no other runs.

    Attributes
    ----------
    lab
        The study, and its cluster.
    beside
        What the others will say, by name.
    """

    lab: Lab
    beside: Mapping[str, Future[Judged]]
    seconds: dict[str, float] = field(default_factory=dict)

    def judged(self, name: str) -> Judged:
        """How a case ended; wait for it, or run it when no other does."""
        if name in self.beside:
            return self.beside[name].result()
        wait(self.beside.values())
        return self.timed(name, lambda: CASES[name](self.lab))

    def timed(self, name: str, case: Callable[[], Judged]) -> Judged:
        """Run a case, and note how long it took; what never came about is wrong, too."""
        start = time.monotonic()
        try:
            return case()
        except RuntimeError as error:
            return Judged([str(error)])
        finally:
            self.seconds[name] = time.monotonic() - start


@contextmanager
def begun(
    lab: Lab, names: Sequence[str], *, at_once: int = AT_ONCE,
    more: Mapping[str, Callable[[], Judged]] | None = None,
) -> Iterator[Begun]:  # fmt: skip
    """Begin cases, and end none of them before it has ended.

    Parameters
    ----------
    lab
        The study, and its cluster.
    names
        Of cases.
    at_once
        How many run side by side.
    more
        Further cases by name.
    """
    local = Lab(lab.whole, None)
    cases: dict[str, Callable[[], Judged]] = dict(more or {})
    for name in names:
        if name in LOCAL:
            cases[name] = lambda case=LOCAL[name]: case(local)
        elif name not in ALONE:
            cases[name] = lambda case=CASES[name]: case(lab)
    beside: dict[str, Future[Judged]] = {}
    all_begun = Begun(lab, beside)
    with ThreadPoolExecutor(at_once) as pool:
        for name, case in cases.items():
            beside[name] = pool.submit(all_begun.timed, name, case)
        try:
            yield all_begun
        except BaseException:
            # Whoever stops early waits for nobody.
            end_runs()
            raise
        finally:
            for future in beside.values():
                future.cancel()
