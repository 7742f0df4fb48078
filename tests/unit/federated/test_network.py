"""Hospitals as processes that speak TLS on loopback, carried by NVIDIA FLARE."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.federated.hospitals import hospital_federation
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError
from commissure.federated.allowed import Message
from commissure.federated.question import Question
from commissure.federated.records import Options
from commissure.federated.study import computed, federate
from commissure.federated.wire import message_bytes

NAMES = ("site0", "site1", "site2", "site9")
PROJECT = """
api_version: 3
name: commissure
participants:
  - {{name: localhost, type: server, org: commissure, fed_learn_port: {0}, admin_port: {1}}}
{2}
  - {{name: admin@commissure.org, type: admin, org: commissure, role: project_admin}}
builders:
  - {{path: nvflare.lighter.impl.workspace.WorkspaceBuilder}}
  - {{path: nvflare.lighter.impl.static_file.StaticFileBuilder, args: {{config_folder: config}}}}
  - {{path: nvflare.lighter.impl.cert.CertBuilder}}
  - {{path: nvflare.lighter.impl.signature.SignatureBuilder}}
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def provisioned(tmp_path):
    """Kits of a coordinator, four sites and who starts jobs, by an authority of their own."""
    pytest.importorskip("nvflare", reason="the extra 'federated' is not installed")
    ports = free_port(), free_port()
    sites = "\n".join(f"  - {{name: {name}, type: client, org: commissure}}" for name in NAMES)
    project = tmp_path / "project.yml"
    project.write_text(PROJECT.format(*ports, sites))
    command = [sys.executable, "-m", "nvflare.lighter.provision", "-p", project, "-w", tmp_path]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    return tmp_path / "commissure" / "prod_00", ports[0]


@pytest.mark.slow
def test_processes_on_loopback_compute_what_one_process_does(folders, tmp_path, provisioned):
    """The command as users start it: a process for each site, one for the coordinator."""
    from commissure.federated import kits

    prod, port = provisioned
    shutil.copytree(folders[1], tmp_path / "site9" / "commissure")
    everywhere = [*folders, tmp_path / "site9" / "commissure"]
    started = {}
    command = [
        "--kit", prod / "localhost", "--admin", prod / "admin@commissure.org", "--expect", "4",
        "--out", tmp_path / "net", "--permutations", "19", "--patience", "20",
    ]  # fmt: skip
    try:
        started["coordinator"] = federate_process(command)
        for name, folder in zip(NAMES, everywhere, strict=True):
            own = tmp_path / "own" / name
            started[name] = federate_process([folder, "--kit", prod / name, "--out", own])
        # One is lost on the way: it has answered, and then it answers no more.
        log = tmp_path / "own" / "site9" / "left.jsonl"
        wait_until(lambda: log.exists() and log.read_text().count("\n") > 4)
        kits.stop(started["site9"])
        assert without_certificate_nothing_is_said(port, prod)
        assert started["coordinator"].wait(500) == 0
    finally:
        for process in started.values():
            kits.stop(process)
    result = json.loads((tmp_path / "net" / "federated.json").read_text())
    federation, _ = hospital_federation(folders, tmp_path / "here")
    options = Options(permutations=19)
    expected, _ = computed(federation, Question(), out=tmp_path / "p", options=options)
    assert list(result["lost"]) == ["site9"]
    same = {"components", "model", "charts", "sites", "markers"}
    read = json.loads(json.dumps(expected))
    assert {key: result[key] for key in same} == {key: read[key] for key in same}
    for name in NAMES[:3]:
        lines = (tmp_path / "own" / name / "left.jsonl").read_text().splitlines()
        assert {"chart_shape", "wins"} < {json.loads(line)["kind"] for line in lines}


@pytest.mark.slow
def test_masked_sums_over_the_network_are_those_of_one_process(folders, tmp_path, provisioned):
    """Keys are signed by the kits' certificates, and a site started with --masked sends no other."""
    from commissure.federated import kits

    prod, _ = provisioned
    command = [
        "--kit", prod / "localhost", "--admin", prod / "admin@commissure.org", "--expect", "3",
        "--out", tmp_path / "net", "--permutations", "19", "--masked",
    ]  # fmt: skip
    started = []
    try:
        started.append(federate_process(command))
        for name, folder in zip(NAMES, folders, strict=False):
            own = tmp_path / "own" / name
            started.append(
                federate_process([folder, "--kit", prod / name, "--out", own, "--masked"])
            )
        assert started[0].wait(500) == 0
    finally:
        for process in started:
            kits.stop(process)
    result = json.loads((tmp_path / "net" / "federated.json").read_text())
    options = Options(permutations=19, masked=True)
    expected = federate(folders, Question(), out=tmp_path / "here", options=options)
    read = json.loads(json.dumps(expected))
    for key in ("masked", "components", "model", "charts", "sites", "markers"):
        assert result[key] == read[key], key
    for name in NAMES[:3]:
        lines = (tmp_path / "own" / name / "left.jsonl").read_text().splitlines()
        left = [json.loads(line) for line in lines]
        assert {line["kind"] for line in left if not line["masked"]} <= {
            "catalogue", "done", "count", "key"
        }  # fmt: skip
        assert {"wins", "products", "gradient"} < {line["kind"] for line in left if line["masked"]}


def federate_process(arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "commissure.cli", "federate", *map(str, arguments)]
    return subprocess.Popen(command)


def wait_until(true, seconds=300) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def without_certificate_nothing_is_said(port, prod) -> bool:
    """TLS asks who one is: a stranger who knows the authority's certificate hears nothing."""
    context = ssl.create_default_context(cafile=prod / "localhost" / "startup" / "rootCA.pem")
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as stranger,
        ):
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return stranger.recv(100) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def test_an_expired_certificate_is_refused_in_words(folders, tmp_path, provisioned):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    prod, _ = provisioned
    startup = prod / "site0" / "startup"
    key = load_pem_private_key((startup / "client.key").read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site0")])
    old = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(1)
        .public_key(key.public_key())
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2025, 12, 31, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    (startup / "client.crt").write_bytes(old.public_bytes(Encoding.PEM))
    arguments = ["federate", str(folders[0]), "--kit", str(prod / "site0"), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "its certificate was valid from 2025-01-01 to 2025-12-31" in done.output
    assert not (prod / "site0" / "process.log").exists()


def test_a_kit_lets_nothing_out_beside_the_list(provisioned):
    """FLARE as it comes sends a site's error log to the server, and lets others read files."""
    from commissure.federated import kits

    local = provisioned[0] / "site0" / "local"
    shipped = json.loads((local / "resources.json.default").read_text())
    assert shipped["allow_log_streaming"] is True
    kits._prepared(provisioned[0] / "site0", "fed_client.json")
    resources = json.loads((local / "resources.json").read_text())
    assert resources["allow_log_streaming"] is False
    assert "log_stream" not in json.dumps(resources["components"])
    assert all(name.startswith("commissure.") for name in resources["class_allow_list"])
    rights = json.loads((local / "authorization.json").read_text())["permissions"]
    assert list(rights) == ["project_admin"]
    assert rights["project_admin"]["shell_commands"] == rights["project_admin"]["byoc"] == "none"


def test_what_is_no_kit_is_refused_in_words(folders, tmp_path):
    pytest.importorskip("nvflare", reason="the extra 'federated' is not installed")
    from commissure.federated import kits

    with pytest.raises(ConfigError, match=r"there is no startup/fed_client\.json"):
        kits.start_site(tmp_path, folders[0], out=tmp_path, min_people=10)
    done = CliRunner().invoke(app, ["federate", "--kit", str(tmp_path), "--out", str(tmp_path)])
    assert done.exit_code == 1 and "without --admin" in done.output


def test_the_last_filter_lets_only_the_list_pass():
    pytest.importorskip("nvflare", reason="the extra 'federated' is not installed")
    from nvflare.apis.fl_context import FLContext
    from nvflare.apis.shareable import Shareable

    from commissure.federated.flare import BYTES, REFUSED, AllowListFilter

    data = message_bytes(Message("site0", "done", 1, 20, {"people": np.array(20.0)}))
    few = message_bytes(Message("site0", "done", 1, 3, {"people": np.array(3.0)}))
    rows = message_bytes(Message("site0", "rows", 1, 20, {"rows": np.ones((20, 3))}))

    def passed(content):
        left = AllowListFilter().process(Shareable(content), FLContext())
        return {key: value for key, value in left.items() if not key.startswith("__")}

    assert passed({BYTES: data, "rows": [[1.0, 2.0]]}) == {BYTES: data}
    for content in ({BYTES: data + b"sub-01"}, {BYTES: few}, {BYTES: rows}, {"rows": [1.0]}, {}):
        assert passed(content) == {REFUSED: "no"}
    assert passed({REFUSED: "sub-01 is too young"}) == {REFUSED: "no"}


def test_without_the_extra_the_command_says_which(monkeypatch, folders, tmp_path):
    monkeypatch.setattr(sys.modules["commissure.cli.federate"], "find_spec", lambda name: None)
    arguments = ["federate", str(folders[0]), "--kit", str(tmp_path), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "the extra federated" in done.output
