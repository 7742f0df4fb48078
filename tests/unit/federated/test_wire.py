"""Byte by byte: nothing leaves a site that is not on the list."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.unit.federated.hospitals import hospital_federation

from commissure.errors import DatasetError
from commissure.federated.allowed import ALLOWED, Message
from commissure.federated.question import Question
from commissure.federated.records import Options
from commissure.federated.study import computed
from commissure.federated.wire import message_bytes, message_of
from commissure.normative.stored_charts import load_charts

#: What is asked for with masks, for a private model, or for an encoder.
NOT_HERE = {"difference", "count", "key", "encoder_line", "encoder_spread"}


@pytest.fixture
def traffic(folders, tmp_path):
    """All bytes that left each site in a whole run, and its results."""
    left: dict[str, list[bytes]] = {}

    def carry(name, data):
        left.setdefault(name, []).append(data)
        return data

    federation, _ = hospital_federation(folders, tmp_path / "own", carry)
    options = Options(permutations=9, combat=True)
    result, _ = computed(federation, Question(), out=tmp_path / "out", options=options)
    assert result["charts"]["status"] == result["combat"]["status"] == "computed"
    return left


def strangers(data: bytes, folder) -> list[str]:
    """What a message holds that is not on the list, read without the code that wrote it."""
    strange = []
    at = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:at])
    kind = ALLOWED[head["kind"]]
    if set(head) != {"site", "kind", "round", "people", "version", "words", "masked", "shapes"}:
        strange.append("another header")
    if set(head["shapes"]) != set(kind.arrays) or set(head["words"]) != set(kind.words):
        strange.append("another array or word")
    numbers = sum(int(np.prod(shape)) for shape in head["shapes"].values())
    if len(data) != at + 8 * numbers:
        strange.append("bytes beside the arrays")
    people = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    # Of a site's own, whose name is said, only names and units of markers are words.
    text = data[8:at].decode()
    strange += [person for person in people["participant_id"] if f'"{person}"' in text]
    values = pd.read_csv(folder / "markers.tsv", sep="\t")["value"].to_numpy(float)
    held = np.frombuffer(data[at : at + 8 * numbers], "<f8")
    strange += [f"the value {value}" for value in values[np.isin(values, held)]]
    count = len(people)
    strange += [f"{name} is of people" for name, s in head["shapes"].items() if count in s]
    for value in values:
        if np.float64(value).tobytes() in data or repr(value).encode() in data:
            strange.append(f"the value {value}")
    return strange


def test_what_left_is_on_the_list_to_the_last_byte(traffic, folders, tmp_path):
    kinds = set()
    for folder in folders:
        sent = traffic[folder.parent.name]
        for data in sent:
            assert strangers(data, folder) == []
            kinds.add(message_of(data).kind)
        log = (tmp_path / "own" / f"{folder.parent.name}.jsonl").read_text().splitlines()
        assert [json.loads(line)["round"] for line in log] == [message_of(d).round for d in sent]
    assert kinds == set(ALLOWED) - NOT_HERE


def test_the_search_finds_what_is_planted(traffic, folders):
    folder, data = folders[0], traffic["site0"][0]
    row = pd.read_csv(folder / "markers.tsv", sep="\t").iloc[0]
    assert strangers(data + np.float64(row["value"]).tobytes(), folder) != []
    sums = next(d for d in traffic["site0"] if message_of(d).kind == "sums")
    message = message_of(sums)
    arrays = {**message.arrays, "total": message.arrays["total"].copy()}
    arrays["total"][0] = row["value"]
    planted = message_bytes(Message("site0", "sums", message.round, message.people, arrays))
    assert any("value" in word for word in strangers(planted, folder))
    named = message_bytes(
        Message("site0", "sums", 1, 20, message.arrays, words={"who": row["participant_id"]})
    )
    assert len(strangers(named, folder)) >= 2


@pytest.mark.parametrize("change", [lambda d: d + b"\0", lambda d: d[:-1], lambda d: b"{}" + d])
def test_bytes_that_are_no_message_are_refused_in_words(change):
    data = message_bytes(Message("a", "done", 1, 20, {"people": np.array(20.0)}))
    assert message_of(data).people == 20
    with pytest.raises(DatasetError, match="bytes that cannot be read"):
        message_of(change(data))


def test_charts_that_leave_know_nobody(traffic, tmp_path):
    stored = load_charts(tmp_path / "out" / "charts")
    assert stored.charts.sites_ == ["site0", "site1", "site2"]
    assert not hasattr(stored, "digests") and "digests" not in stored.about
    raw = (tmp_path / "out" / "charts" / "charts.skops").read_bytes()
    assert b"digest" not in raw and b"sub-" not in raw
