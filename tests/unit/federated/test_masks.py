"""Masked sums: the coordinator has what it would have in the clear, and nothing of one site."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.unit.federated.hospitals import hospital_federation, simulated, together
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.federated import hospital, logistic
from commissure.federated.allowed import ALLOWED
from commissure.federated.masked_rounds import MaskedRounds
from commissure.federated.question import Question
from commissure.federated.records import Options
from commissure.federated.site import Request, Together
from commissure.federated.site_models import fold_of_people
from commissure.federated.study import computed
from commissure.federated.wire import message_bytes, message_of

pytest.importorskip("cryptography", reason="the extra 'federated' is not installed")

OPTIONS = Options(permutations=19, combat=True, masked=True)


def masked_federation(folders, out, carry=None, **options):
    federation, hospitals = hospital_federation(folders, out, carry, **options)
    federation.masked = MaskedRounds()
    return federation, hospitals


def kept(left):
    def carry(name, data):
        left.setdefault(name, []).append(data)
        return data

    return carry


def met(folders, out, carry=None):
    """Sites that have tables and masks, and the names of their markers' columns."""
    federation, hospitals = masked_federation(folders, out, carry)
    asked = {"label": "group", "positive": "resistant", "negative": "responsive",
             "covariates": ["age", "sex"], "disorder": "schizophrenia", "complete": 1}  # fmt: skip
    answers = federation.ask("catalogue", question=asked)
    federation.meet()
    columns = [row[:3] for row in answers[0].words["markers"]]
    federation.ask("done", task="build", columns=columns)
    return federation, hospitals


def test_masked_results_are_those_in_the_clear_to_the_last_bit(folders, tmp_path):
    left = {}
    federation, _ = masked_federation(folders, tmp_path / "a", kept(left))
    found, table = computed(federation, Question(), out=tmp_path / "m", options=OPTIONS)
    plain, _ = hospital_federation(folders, tmp_path / "b")
    known, known_table = computed(
        plain, Question(), out=tmp_path / "c", options=replace(OPTIONS, masked=False)
    )
    pd.testing.assert_frame_equal(table, known_table, check_exact=True)
    for part in ("components", "charts", "vulnerability", "combat"):
        assert found[part] == known[part]
    assert found["components"]["status"] == found["charts"]["status"] == "computed"
    assert found["model"]["coefficients"] == known["model"]["coefficients"]
    same = "charts/charts.skops"
    assert (tmp_path / "m" / same).read_bytes() == (tmp_path / "c" / same).read_bytes()
    for name in ("site0", "site1", "site2"):
        stays = [tmp_path / run / name / "markers.tsv" for run in "ab"]
        assert stays[0].read_bytes() == stays[1].read_bytes()
        messages = [message_of(data) for data in left[name]]
        assert all(message.masked != ALLOWED[message.kind].clear for message in messages)
        assert {"wins", "chart_shape", "covariance"} < {m.kind for m in messages if m.masked}
        log = (tmp_path / "a" / f"{name}.jsonl").read_text().splitlines()
        assert [json.loads(line)["masked"] for line in log] == [m.masked for m in messages]


def readable_share(messages) -> float:
    """Of the bytes of masked numbers the largest p of being drawn evenly, and none twice."""
    counts = np.zeros(256)
    for message in messages:
        for array in message.arrays.values():
            counts += np.bincount(np.ravel(array), minlength=256)
    return float(stats.chisquare(counts).pvalue)


def sums_twice(folders, tmp_path):
    """Two sessions of the same data: what each site sent of its sums, and the sums."""
    runs = []
    for number in range(2):
        left = {}
        federation, hospitals = met(folders, tmp_path / str(number), kept(left))
        total = federation.ask("sums")[0]
        sent = {name: message_of(data[-1]) for name, data in left.items()}
        runs.append((sent, total, hospitals))
    return runs


def test_what_one_site_sends_says_nothing_of_its_sums(folders, tmp_path, monkeypatch):
    (first, total, hospitals), (second, again, _) = sums_twice(folders, tmp_path)
    np.testing.assert_array_equal(total.arrays["total"], again.arrays["total"])
    for name, message in first.items():
        own = hospitals[name]._views["markers"]
        clear = replace(own, masks=None).answer(Request("sums", 1))
        for array in clear.arrays:
            # Other bytes each time, of the same sum: nine in ten bits of 64 bytes would agree.
            apart = message.arrays[array] != second[name].arrays[array]
            assert apart.mean() > 0.97
        numbers = np.concatenate([np.ravel(a) for a in clear.arrays.values()])
        data = message_bytes(message)
        assert not any(np.float64(value).tobytes() in data for value in numbers if value)
    everything = [*first.values(), *second.values()]
    assert readable_share(everything) > 1e-4
    # The same look at sums whose masks were forgotten.
    masks = pytest.importorskip("commissure.federated.masks")
    monkeypatch.setattr(masks.Masks, "_stream", lambda self, site, context, count: 0)
    (bare, _, _), (bare_again, _, _) = sums_twice(folders, tmp_path / "bare")
    assert readable_share([*bare.values()]) < 1e-12
    name = "site0"
    assert (bare[name].arrays["total"] == bare_again[name].arrays["total"]).all()


def test_each_number_of_a_masked_message_is_evenly_drawn(folders, tmp_path):
    """Over sessions the highest bits of one site's people are as likely up as down."""
    up = []
    for number in range(60):
        left = {}
        federation, _ = met(folders, tmp_path / str(number), kept(left))
        federation.ask("sums")
        bits = np.unpackbits(message_of(left["site1"][-1]).arrays["people"], axis=-1)
        up.append(bits)
    share = np.mean(up, axis=0)
    # 2560 shares of 60: five standard errors.
    assert np.abs(share - 0.5).max() < 5 * 0.5 / np.sqrt(60)


def test_two_sites_are_no_sum_and_one_is_none_either(folders, tmp_path):
    federation, hospitals = met(folders, tmp_path)
    with pytest.raises(DatasetError, match="2 sites in a round of sums"):
        federation.ask("sums", of=["site0", "site1"])
    session = federation.masked.session
    for sites in (("site0",), ("site0", "site1"), ("site1", "site2"), ("site0", "site1", "x")):
        request = Request("sums", 99, together=Together(session, sites))
        with pytest.raises(DatasetError, match=r"a sum over \d sites"):
            hospitals["site0"].answer(request)
    few, _ = masked_federation(folders[:2], tmp_path / "few")
    with pytest.raises(DatasetError, match="2 sites are left"):
        computed(few, Question(), out=tmp_path / "o", options=OPTIONS)


def test_two_sums_that_differ_by_a_site_are_refused_at_the_sites(folders, tmp_path):
    copy = tmp_path / "site9" / "commissure"
    shutil.copytree(folders[1], copy)
    federation, _ = met([*folders, copy], tmp_path)
    federation.ask("sums")
    slopes = np.zeros((5, 3))
    for given in ({}, {"centre": 1e-9}, {"slopes": slopes}, {"folds": 5, "without": 1}):
        with pytest.raises(DatasetError, match="sums over 3 sites, after those over 4"):
            federation.ask("sums", of=["site0", "site1", "site2"], **given)
    # Nor in a session of its own, which three of them begin.
    rounds, names = federation.masked, ["site0", "site1", "site2"]
    session = rounds.begin()
    told = federation.ask("key", of=names, session=session)
    federation.ask("done", of=names, task="meet", keys={m.site: m.words for m in told})
    with pytest.raises(DatasetError, match="sums over 3 sites, after those over 4"):
        federation.ask("sums", of=names)
    federation.meet()
    federation.ask("sums", folds=5, without=0)
    with pytest.raises(DatasetError, match="4 folds after 5"):
        federation.ask("sums", folds=4, without=0)


def test_a_mask_is_used_once(folders, tmp_path):
    """A request sent again, or another under its number, would tell the difference of two sums."""
    federation, hospitals = met(folders, tmp_path)
    asked, inner = [], federation.sites["site2"]

    def remembered(request):
        asked.append(request)
        return inner(request)

    federation.sites["site2"] = remembered
    federation.ask("sums")
    for again in (asked[-1], replace(asked[-1], given={"centre": 1.0})):
        with pytest.raises(DatasetError, match=r"round \d+ after round \d+"):
            hospitals["site2"].answer(again)
    # An old answer in the place of a new one, and an answer of another session.
    old = inner(replace(asked[-1], round=90))
    federation.sites["site2"] = lambda request: old
    with pytest.raises(DatasetError, match="An old answer was sent again"):
        federation.ask("sums")
    federation.sites["site2"] = lambda request: replace(old, round=request.round)
    with pytest.raises(DatasetError, match="the masks do not cancel"):
        federation.ask("sums")
    with pytest.raises(DatasetError, match="the session before again"):
        hospitals["site2"].answer(Request("key", 1, {"session": federation.masked.session}))


def test_a_site_that_is_lost_after_it_sent_sums_ends_the_run(folders, tmp_path):
    copy = tmp_path / "site9" / "commissure"
    shutil.copytree(folders[1], copy)
    for kind, survived in (("key", True), ("covariance", False)):
        federation, _ = masked_federation([*folders, copy], tmp_path / kind)
        inner = federation.sites["site1"]

        def silent(request, inner=inner, kind=kind):
            if request.kind == kind:
                raise TimeoutError("no answer")
            return inner(request)

        federation.sites["site1"] = silent
        if survived:
            result, _ = computed(federation, Question(), out=tmp_path / "o", options=OPTIONS)
            assert result["sites"] == ["site0", "site2", "site9"]
            assert result["lost"] == {"site1": "no answer"}
        else:
            with pytest.raises(DatasetError, match="site site1: it was lost in masked sum 4"):
                computed(federation, Question(), out=tmp_path / "o", options=OPTIONS)


def test_a_site_that_wants_masks_sends_nothing_without(folders, tmp_path):
    federation, _ = hospital_federation(folders, tmp_path, only_masked=True)
    with pytest.raises(DatasetError, match="site site0, sums: a sum in the clear was asked for"):
        computed(federation, Question(), out=tmp_path / "o", options=OPTIONS)
    lines = (tmp_path / "site0.jsonl").read_text().splitlines()
    assert {json.loads(line)["kind"] for line in lines} == {"catalogue", "done"}
    # A site that sends in the clear among others that do not.
    federation, hospitals = met(folders, tmp_path / "b")
    own = hospitals["site1"]._views["markers"]
    federation.sites["site1"] = lambda request: replace(own, masks=None).answer(
        replace(request, together=None)
    )
    with pytest.raises(DatasetError, match="site site1: an answer without a mask"):
        federation.ask("sums")


def identities(tmp_path, names):
    """Kits' certificates of an authority, and one of a stranger who calls itself site1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from commissure.federated.identity import Identity

    def certificate(name, issuer, public, signing):
        called = [
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, issuer)
        ]
        today = datetime.now(UTC)
        return (
            x509.CertificateBuilder().subject_name(called[0]).issuer_name(called[1])
            .public_key(public).serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(1)).not_valid_after(today + timedelta(9))
            .sign(signing, hashes.SHA256())
        )  # fmt: skip

    made = {}
    for authority, sites in (("root", names), ("other root", ["stranger"])):
        root = rsa.generate_private_key(65537, 2048)
        top = certificate(authority, authority, root.public_key(), root)
        for name in sites:
            folder = tmp_path / "kits" / name
            folder.mkdir(parents=True)
            key = rsa.generate_private_key(65537, 2048)
            own = certificate(name.replace("stranger", "site1"), authority, key.public_key(), root)
            (folder / "client.crt").write_bytes(own.public_bytes(Encoding.PEM))
            (folder / "rootCA.pem").write_bytes(top.public_bytes(Encoding.PEM))
            (folder / "client.key").write_bytes(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            made[name] = Identity.of_kit(folder)
    return made


def test_keys_that_are_not_of_the_sites_are_refused(folders, tmp_path):
    """Who carries the keys could else put its own in their place, and take the masks off."""
    known = identities(tmp_path, ["site0", "site1", "site2"])
    federation, hospitals = masked_federation(folders, tmp_path)
    for name, each in hospitals.items():
        each._identity = known[name]
    computed(federation, Question(), out=tmp_path / "o", options=OPTIONS)
    x25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.x25519")
    of_carrier = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    inner = federation.sites["site1"]
    for change in ("key", "certificate", "site", "session", "nothing"):

        def forged(request, change=change):
            message = inner(request)
            if request.kind != "key":
                return message
            session, words = str(request.given["session"]), dict(message.words)
            if change == "key":
                words["public"] = of_carrier
            elif change == "certificate":
                words |= known["stranger"].signed(session, "site1", words["public"])
            elif change == "site":
                words |= known["site2"].signed(session, "site1", words["public"])
            elif change == "session":
                words |= known["site1"].signed("another", "site1", words["public"])
            else:
                words |= {"certificate": "", "signature": ""}
            return replace(message, words=words)

        federation.sites["site1"] = forged
        with pytest.raises(DatasetError, match="the key of site site1: its own certificate did"):
            computed(federation, Question(), out=tmp_path / "o", options=OPTIONS)


def test_without_the_extra_masks_are_refused_in_words(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(hospital, "find_spec", lambda name: None)
    federation, _ = masked_federation(folders, tmp_path)
    with pytest.raises(ConfigError, match="the extra federated"):
        computed(federation, Question(), out=tmp_path / "o", options=OPTIONS)


def test_folds_of_people_are_judged_as_pooled_people_are(monkeypatch):
    sites = simulated(4, people=(40, 90))
    federation = together(sites)
    models = logistic.folds_left_out(federation)
    assert len(models) == 5
    found = logistic.auc_of_folds(federation, models, permutations=99, seed=3)
    scores, labels, stratum = [], [], []
    for number, site in enumerate(sites):
        fold = fold_of_people(site, 5)
        assert np.bincount(fold).min() >= len(fold) // 5
        for f, model in enumerate(models):
            rows = fold == f
            z = np.nan_to_num((site.markers[rows] - model.scale.mean) / model.scale.sd)
            scores.append(np.column_stack([np.ones(len(z)), z]) @ model.coefficients)
            labels.append(site.labels[rows])
            stratum.append(np.full(rows.sum(), 5 * number + f))
    known = auc([pairwise_comparisons(*map(np.concatenate, (labels, scores, stratum)))])
    assert (found.auc, found.pairs) == (known.value, known.pairs)
    assert found.auc > 0.6 and found.p < 0.05
    # The model of a fold has seen nobody of it.
    spoilt = []
    for site in sites:
        values = site.markers.copy()
        values[fold_of_people(site, 5) == 0] += 1e6
        spoilt.append(replace(site, markers=values))
    folds = {site.name: fold_of_people(site, 5) for site in sites}
    monkeypatch.setattr(
        "commissure.federated.site_models.fold_of_people", lambda site, count: folds[site.name]
    )
    without = {"without": 0, "folds": 5}
    scale = logistic.moments(together(spoilt), without=without)
    model = logistic.logistic(together(spoilt), scale, without=without)
    np.testing.assert_array_equal(model.coefficients, models[0].coefficients)


def test_small_folds_are_refused():
    site = simulated(1, people=(20, 21))[0]
    assert np.bincount(fold_of_people(site, 5)).tolist() == [4, 4, 4, 4, 4]
    with pytest.raises(DatasetError, match="20 people in 6 folds"):
        fold_of_people(site, 6)


def test_the_command_masks(folders, tmp_path):
    arguments = ["federate", *map(str, folders), "--out", str(tmp_path), "--permutations", "19"]
    done = CliRunner().invoke(app, [*arguments, "--masked"])
    assert done.exit_code == 0, done.output
    assert "AUC within site of people left out at every site (5 folds)" in done.output
    result = json.loads((tmp_path / "federated.json").read_text())
    assert result["masked"] is True and result["model"]["auc_within_site"] > 0.6
