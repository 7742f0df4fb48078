"""SIGTERM and SIGINT end a run within seconds, whatever its jobs do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

# Waits for its job as Snakemake does, and starts one more while it ends.
RUN = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from commissure.flow.end_at_once import end_at_once
end_at_once(local=True)
job = subprocess.Popen(["sleep", "60"])
try:
    print("ready", flush=True)
    job.wait()
except KeyboardInterrupt:
    subprocess.Popen(["sleep", "60"]).wait()
    sys.exit(3)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_run_ends_with_its_jobs(name):
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE)
    with run:
        assert run.stdout.readline().strip() == b"ready"
        start = time.monotonic()
        run.send_signal(name)
        assert run.wait(30) == 3
        assert time.monotonic() - start < 10
