"""Start a site or the coordinator from the kit that FLARE's provisioning made for it.

A kit holds who one is (certificate and key) and where the coordinator listens. Here it is told what
it may load, that logs stay at the site, and where the site's run lies. Needs the extra
``federated``.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from cryptography import x509
from nvflare.fuel.flare_api.flare_api import Session, new_secure_session

from commissure.errors import ConfigError, DatasetError
from commissure.federated.flare import SITE_FILE, job_files
from commissure.federated.question import Question
from commissure.federated.records import RESULT, Options
from commissure.files import write_json

_ALLOWED = ("Coordination", "HospitalExecutor", "AllowListFilter")
#: What somebody with an administrator's kit may do here: start a job of ours and fetch its results.
#: Nobody brings code of theirs, and nobody reads files or logs from afar.
_RIGHTS = {
    "submit_job": "any", "manage_job": "any", "download_job": "any", "view": "any",
    "clone_job": "none", "operate": "none", "shell_commands": "none", "byoc": "none",
    "server-predeployed-flwr": "none",
}  # fmt: skip
#: Seconds that a process is given to stop by itself, and between looks at a job.
_PATIENCE_S, _LOOK_S = 30, 1.0


def start_site(
    kit: Path,
    folder: Path,
    *,
    out: Path,
    min_people: int,
    only_masked: bool = False,
    epsilon: float | None = None,
) -> subprocess.Popen[bytes]:
    """Start a hospital's process; it connects to the coordinator and answers until it is stopped.

    Parameters
    ----------
    kit
        The site's folder as provisioned.
    folder
        Output folder of its run.
    out
        Folder of the log of what left, and of what stays.
    min_people
        Fewer people send nothing.
    only_masked
        Whether no sum leaves without a mask, whatever the coordinator asks.
    epsilon
        What may be told of a person in all runs of this ``out``; None for no limit.

    Raises
    ------
    ConfigError
        It is no kit of a site, or its certificate has expired.
    """
    told = _prepared(kit, "fed_client.json")
    said = {
        "folder": str(folder.resolve()), "out": str(out.resolve()), "min_people": min_people,
        "only_masked": only_masked, "epsilon": epsilon,
    }  # fmt: skip
    write_json(said, kit / "local" / SITE_FILE)
    return _started(
        "nvflare.private.fed.app.client.client_train", kit, "fed_client.json",
        f"uid={told['client']['fqsn']}",
    )  # fmt: skip


def start_coordinator(kit: Path) -> subprocess.Popen[bytes]:
    """Start the coordinator's process, which listens where its kit says.

    Raises
    ------
    ConfigError
        It is no kit of a server, or its certificate has expired.
    """
    _prepared(kit, "fed_server.json")
    return _started("nvflare.private.fed.app.server.server_train", kit, "fed_server.json")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that was started here, with the processes of its jobs, and wait for it."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    _, alive = psutil.wait_procs(family, timeout=_PATIENCE_S)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_when_asked() -> None:
    """Let SIGTERM, as a service manager sends it, end the command as Ctrl-C does: in order."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def serve(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process ends, or stop it where the user asks for that.

    Raises
    ------
    DatasetError
        It ended by itself with an error.
    """
    stop_when_asked()
    try:
        status = process.wait()
    except KeyboardInterrupt:
        status = 0
    finally:
        stop(process)
    if status:
        raise DatasetError(
            "the process of the network", found=f"it ended with status {status}",
            wanted="a process that runs until it is stopped",
            mend="Read process.log in the kit",
        )  # fmt: skip


def asked_over_network(
    kit: Path,
    admin: Path,
    question: Question,
    options: Options,
    *,
    sites: int,
    out: Path,
    timeout_s: int = 60,
    wait_s: float = 3600.0,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Ask the sites that are connected, and bring the results here.

    Parameters
    ----------
    kit
        The coordinator's, whose process runs here.
    admin
        The kit of who may start jobs.
    question, options
        What is asked, and how it is computed.
    sites
        How many are waited for.
    out
        Folder of the results.
    timeout_s
        A site that does not answer for so long is lost.
    wait_s
        How long sites, and then the results, are waited for.
    say
        Takes a line.

    Returns
    -------
    dict
        Content of ``federated.json``.

    Raises
    ------
    ConfigError
        The kit's certificate has expired.
    DatasetError
        Too few sites connect, or nothing could be computed.
    """
    refuse_expired(admin)
    session = new_secure_session(
        username=_identity(admin), startup_kit_location=str(admin), timeout=wait_s
    )
    try:
        names = _connected(session, sites, wait_s)
        say(f"{len(names)} sites are connected: {', '.join(names)}")
        job = out / "job"
        job_files(job, question, options, names, timeout_s)
        number = session.submit_job(str(job.resolve()))
        results = kit / number / "together"
        _wait(session, number, results / RESULT, wait_s)
    finally:
        session.close()
    shutil.copytree(results, out, dirs_exist_ok=True)
    result: dict[str, Any] = json.loads((out / RESULT).read_text(encoding="utf-8"))
    if "reason" in result:
        raise DatasetError(
            "the sites", found=result["reason"], wanted="sites that can be computed together"
        )
    return result


def refuse_expired(kit: Path) -> None:
    """Refuse a kit whose certificates are no longer, or not yet, valid.

    Raises
    ------
    ConfigError
        In words, with the day.
    """
    now = datetime.now(UTC)
    for path in sorted([*kit.glob("startup/*.crt"), *kit.glob("startup/*.pem")]):
        for certificate in x509.load_pem_x509_certificates(path.read_bytes()):
            first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            if not first <= now <= last:
                raise ConfigError(
                    f"{kit.name}, {path.name}",
                    found=f"its certificate was valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}",
                    wanted="a certificate that is valid today",
                    mend="Provision the kits again (nvflare provision) and send them to the sites",
                )  # fmt: skip


def _prepared(kit: Path, file: str) -> dict[str, Any]:
    """Content of the kit's own file; the rest is told what may be loaded and what stays."""
    path = kit / "startup" / file
    if not path.exists():
        raise ConfigError(
            str(kit), found=f"there is no startup/{file}", wanted="a kit of this kind",
            mend="Name the folder that nvflare provision made, a site's or the server's",
        )  # fmt: skip
    refuse_expired(kit)
    local = kit / "local"
    resources = json.loads((local / "resources.json.default").read_text(encoding="utf-8"))
    # Nothing of FLARE's own: its statistics and trainers would answer beside the list.
    resources["class_allow_list"] = [f"commissure.federated.flare.{name}" for name in _ALLOWED]
    rights = {"format_version": "1.0", "permissions": {"project_admin": _RIGHTS}}
    write_json(rights, local / "authorization.json")
    # Log lines may name files and people: they stay where they are written.
    resources["allow_log_streaming"] = False
    resources["components"] = [
        part
        for part in resources["components"]
        if "log_stream" not in part["id"] and "log_receiver" not in part["id"]
    ]
    for part in resources["components"]:
        if part["id"] == "job_manager":
            part["args"]["uri_root"] = str((kit / "jobs").resolve())
    if "snapshot_persistor" in resources:
        storage = resources["snapshot_persistor"]["args"]["storage"]["args"]
        storage["root_dir"] = str((kit / "snapshots").resolve())
    write_json(resources, local / "resources.json")
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def _started(module: str, kit: Path, file: str, *more: str) -> subprocess.Popen[bytes]:
    (kit / "transfer").mkdir(exist_ok=True)
    command = [
        sys.executable, "-u", "-m", module, "-m", str(kit.resolve()), "-s", file, "--set",
        "secure_train=true", *more, "org=commissure", "config_folder=config",
    ]  # fmt: skip
    with (kit / "process.log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=kit,
            start_new_session=True,
        )  # fmt: skip


def _identity(admin: Path) -> str:
    certificate = x509.load_pem_x509_certificate((admin / "startup" / "client.crt").read_bytes())
    name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    return str(name)


def _connected(session: Session, wanted: int, wait_s: float) -> list[str]:
    until = time.monotonic() + wait_s
    names: Sequence[str] = ()
    while time.monotonic() < until:
        names = sorted(client.name for client in session.get_system_info().client_info)
        if len(names) >= wanted:
            return list(names)
        time.sleep(_LOOK_S)
    raise DatasetError(
        "the coordinator", found=f"{len(names)} sites are connected", wanted=f"{wanted} of them",
        mend="Start the others, or ask for fewer",
    )  # fmt: skip


def _wait(session: Session, number: str, result: Path, wait_s: float) -> None:
    """Wait for the result itself: with a site lost FLARE may call a job running that has ended."""
    until = time.monotonic() + wait_s
    while not result.exists():
        ended = str(session.get_job_meta(number).get("status", "")).startswith("FINISHED")
        if ended and not result.exists():
            raise DatasetError(
                "the job over the network", found="it left no results", wanted=RESULT,
                mend=f"Read the logs in {result.parent.parent}",
            )  # fmt: skip
        if time.monotonic() > until:
            session.abort_job(number)
            raise DatasetError(
                "the job over the network", found=f"it did not end in {wait_s:.0f} s",
                wanted="results", mend="Read the logs of the coordinator and the sites",
            )  # fmt: skip
        time.sleep(_LOOK_S)
