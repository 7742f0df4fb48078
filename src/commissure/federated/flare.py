"""Hospitals on a network: NVIDIA FLARE carries the bytes, this says what they are.

FLARE makes certificates, connects with TLS on both sides, keeps processes alive and hands tasks
out. A site's process answers through :class:`~commissure.federated.hospital.Hospital`, and its
filter lets nothing else pass. Needs the extra ``federated``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nvflare.apis.controller_spec import Task
from nvflare.apis.executor import Executor
from nvflare.apis.filter import Filter
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.impl.controller import Controller
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal

from commissure.errors import CommissureError, DatasetError
from commissure.federated.allowed import Message, TooFewPeople, refuse_unless_allowed
from commissure.federated.federation import Answerer
from commissure.federated.hospital import Hospital
from commissure.federated.identity import Identity
from commissure.federated.question import Question
from commissure.federated.records import RESULT, Options
from commissure.federated.site import Request
from commissure.federated.study import computed, federation_of
from commissure.federated.wire import message_bytes, message_of, request_bytes, request_of
from commissure.files import write_json

#: The task that FLARE hands out, and under which name it carries bytes.
TASK, BYTES, REFUSED = "ask", "commissure", "refused"
#: What a site says of an answer that it does not give. The reason in words stays in its log.
TOO_FEW, NO = "too few people", "no"
#: What a site's kit says of it: the folder of the run, and where what stays lies.
SITE_FILE = "commissure.json"


class HospitalExecutor(Executor):
    """Answers requests at a site."""

    def __init__(self) -> None:
        super().__init__()
        self._hospital: Hospital | None = None

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        """Answer one request; a refusal says no more than whether people are too few."""
        if task_name != TASK:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        try:
            hospital = self._hospital_of(fl_ctx)
            message = hospital.answer(request_of(shareable[BYTES]))
        except TooFewPeople as error:
            self.log_warning(fl_ctx, str(error))
            return Shareable({REFUSED: TOO_FEW})
        except CommissureError as error:
            self.log_error(fl_ctx, str(error))
            return Shareable({REFUSED: NO})
        return Shareable({BYTES: message_bytes(message)})

    def _hospital_of(self, fl_ctx: FLContext) -> Hospital:
        if self._hospital is None:
            workspace = fl_ctx.get_engine().get_workspace()
            kit = Path(workspace.get_site_config_dir())
            said = json.loads((kit / SITE_FILE).read_text(encoding="utf-8"))
            out = Path(said["out"])
            self._hospital = Hospital(
                fl_ctx.get_identity_name(), Path(said["folder"]), log=out / "left.jsonl",
                stays=out / "stays", min_people=int(said["min_people"]),
                only_masked=bool(said["only_masked"]),
                epsilon=said["epsilon"],
                identity=Identity.of_kit(Path(workspace.get_startup_kit_dir())),
            )  # fmt: skip
        return self._hospital


class AllowListFilter(Filter):
    """The last that an answer passes at a site, whoever made it."""

    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Let an answer pass that is on the list to the last byte, and nothing beside it."""
        refused = shareable.get(REFUSED)
        if refused in (TOO_FEW, NO):
            return _only({REFUSED: refused}, shareable)
        data = shareable.get(BYTES)
        try:
            refuse_unless_allowed(message_of(data))
        except (CommissureError, TypeError):
            self.log_error(fl_ctx, "an answer is not on the list of what may leave")
            return _only({REFUSED: NO}, shareable)
        return _only({BYTES: data}, shareable)


def _only(content: Mapping[str, Any], answered: Shareable) -> Shareable:
    """The content alone, with FLARE's return code: it adds who sends it and what it answers."""
    kept = Shareable(dict(content))
    kept.set_return_code(answered.get_return_code())
    return kept


class Coordination(Controller):
    """Asks the sites, and leaves the results in the folder of the job.

    Parameters
    ----------
    question, options
        Fields of :class:`~commissure.federated.hospital.Question` and
        :class:`~commissure.federated.records.Options`.
    sites
        Names of the sites.
    timeout_s
        A site that does not answer for so long is lost.
    """

    def __init__(
        self,
        question: dict[str, Any],
        options: dict[str, Any],
        sites: list[str],
        timeout_s: int = 60,
    ) -> None:
        super().__init__()
        self._question, self._options = question, options
        self._sites, self._timeout_s = sites, timeout_s

    def start_controller(self, fl_ctx: FLContext) -> None:
        """Nothing is to be done."""

    def stop_controller(self, fl_ctx: FLContext) -> None:
        """Nothing is to be done."""

    def control_flow(self, abort_signal: Signal, fl_ctx: FLContext) -> None:
        """Compute everything; what cannot be computed is said in ``federated.json``."""

        def at_once(request: Request, names: Sequence[str]) -> dict[str, Message | Exception]:
            return self._exchange(request, names, abort_signal, fl_ctx)

        run = Path(fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id()))
        out = run / "together"
        out.mkdir(parents=True, exist_ok=True)
        question = Question.of(self._question)
        options = Options.of(self._options)
        sites: dict[str, Answerer] = dict.fromkeys(self._sites, _unreachable)
        federation = federation_of(sites, options, at_once)
        try:
            result, _ = computed(federation, question, out=out, options=options)
        except CommissureError as error:
            result = {"status": "not computed", "reason": str(error), "lost": federation.lost}
        write_json(result, out / RESULT)

    def _exchange(
        self, request: Request, names: Sequence[str], abort_signal: Signal, fl_ctx: FLContext
    ) -> dict[str, Message | Exception]:
        task = Task(
            name=TASK, data=Shareable({BYTES: request_bytes(request)}), timeout=self._timeout_s
        )
        self.broadcast_and_wait(
            task, fl_ctx, targets=list(names), min_responses=len(names), abort_signal=abort_signal
        )
        if abort_signal.triggered:
            raise DatasetError(
                "the federation", found="the job was stopped", wanted="a job that runs to its end",
                mend="Start it again",
            )  # fmt: skip
        answered = {each.client.name: each.result for each in task.client_tasks}
        return {name: _said(name, answered.get(name)) for name in names}


def _said(name: str, result: Shareable | None) -> Message | Exception:
    if result is None or BYTES not in result:
        if result is not None and result.get(REFUSED) == TOO_FEW:
            return TooFewPeople(f"site {name}", found="too few people", wanted="more of them")
        if result is not None and result.get(REFUSED) == NO:
            return DatasetError(
                f"site {name}", found="it refused to answer", wanted="an answer",
                mend="Its log, at the site, says why",
            )  # fmt: skip
        return TimeoutError("no answer")
    try:
        return message_of(result[BYTES])
    except DatasetError as error:
        return error


def _unreachable(request: Request) -> Message:
    raise ConnectionError("sites are asked over the network")


def job_files(
    folder: Path, question: Question, options: Options, sites: Sequence[str], timeout_s: int
) -> None:
    """Write a FLARE job that asks a question."""
    path = f"{__name__}."
    arguments = {
        "question": asdict(question) | {"covariates": list(question.covariates)},
        "options": asdict(options), "sites": list(sites), "timeout_s": timeout_s,
    }  # fmt: skip
    server = {
        "format_version": 2, "components": [], "task_data_filters": [], "task_result_filters": [],
        "workflows": [{"id": TASK, "path": path + "Coordination", "args": arguments}],
    }  # fmt: skip
    client = {
        "format_version": 2, "components": [], "task_data_filters": [],
        "default_task_fetch_interval": 0.1,
        "executors": [{"tasks": [TASK], "executor": {"path": path + "HospitalExecutor"}}],
        "task_result_filters": [{"tasks": [TASK], "filters": [{"path": path + "AllowListFilter"}]}],
    }  # fmt: skip
    config = folder / "app" / "config"
    config.mkdir(parents=True, exist_ok=True)
    write_json(server, config / "config_fed_server.json")
    write_json(client, config / "config_fed_client.json")
    meta = {
        "name": "commissure", "resource_spec": {}, "deploy_map": {"app": ["@ALL"]},
        "min_clients": options.min_sites, "mandatory_clients": [],
    }  # fmt: skip
    write_json(meta, folder / "meta.json")
