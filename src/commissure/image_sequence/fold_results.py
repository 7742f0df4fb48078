"""The network of every fold, trained once: what is done is kept, and the rest goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import ConfigError
from commissure.evaluation.held_out import HeldOut, held_out_each
from commissure.evaluation.null_distribution import NullDistribution
from commissure.evaluation.out_of_fold import FoldScores
from commissure.evaluation.permutation import permuted_labels
from commissure.files import as_json, write_json
from commissure.fusion.settings import FusionSettings
from commissure.image_sequence.crops import VisitSequence, sequence_digest
from commissure.image_sequence.settings import SequenceSettings
from commissure.image_sequence.training import TrainedSequence, logits_of, train_sequence
from commissure.stored_arrays import read_arrays, write_arrays
from commissure.study.splits import Fold, folds_without_labels, unrelated
from commissure.study.study import Study

#: What was asked for; another request is refused in this folder.
REQUEST = "request.json"
#: Folder of the networks, and that of the permutations.
NETWORKS, NULL = "networks", "permutations"


@dataclass(frozen=True)
class Learner:
    """Trains networks on people of a study, and keeps what is done in a folder.

    Attributes
    ----------
    study
        People with labels.
    sequences
        What the network sees of each row of the study; who is not there is neither trained on nor
        scored.
    settings
        How it learns.
    out
        The folder.
    device, checkpoint_every
        As :func:`commissure.image_sequence.training.train_sequence` takes them.
    say
        Takes a line on how far the work is.
    """

    study: Study[FusionSettings]
    sequences: Mapping[int, VisitSequence]
    settings: SequenceSettings
    out: Path
    device: str
    checkpoint_every: int
    say: Callable[[str], object]

    def request(self, folds: Sequence[Fold]) -> dict[str, Any]:
        """What is asked of which people, for :func:`check_same_request`."""
        design = self.study.design
        of_folds = [[f.scheme, f.repeat, f.name, f.train.tolist(), f.test.tolist()] for f in folds]
        seen = [sequence_digest(self.sequences[row]) for row in sorted(self.sequences)]
        return {
            "settings": self.settings.model_dump(mode="json"),
            "device": self.device,
            "labels": _digest([design.participants.tolist(), self.study.y.tolist()]),
            "folds": _digest(of_folds),
            "images": _digest(seen),
        }

    def scores(self, folds: Sequence[Fold]) -> list[FoldScores]:
        """Out-of-fold predictions; the network of each fold is trained where it is not there."""
        scores = []
        for number, fold in enumerate(folds):
            rows = fold.test[self.study.labelled[fold.test]]
            path = self.out / NETWORKS / f"fold-{number:03d}.npz"
            what = f"fold {number + 1} of {len(folds)} ({fold.scheme}, {fold.name})"
            logits = self._tested(fold, self.study.y, (0, number), path, what, keep_weights=True)
            scores.append(FoldScores(fold, rows, logits[rows]))
        return scores

    def null(self, permutations: int) -> NullDistribution | None:
        """The whole procedure on permuted labels; None where none are asked for.

        As of :mod:`commissure.evaluation.permutation`: labels change places within site, and folds
        are dealt without them, for the observed labels, too. Nothing else is reduced; there is one
        repeat, and no site is left out.
        """
        if not permutations:
            return None
        study, design, asked = self.study, self.study.design, self.study.settings
        labels = permuted_labels(
            study.y, design.sites, permutations, asked.seed, 0, design.families
        )
        dealt = folds_without_labels(
            study.labelled, design.sites, asked.outer_folds, (asked.seed, 4, 0), design.families
        )
        divisions = []
        for name in np.unique(dealt):
            test = np.flatnonzero(dealt == name)
            train = unrelated(np.flatnonzero(dealt != name), test, design.families)
            divisions.append(Fold("null", 0, str(name), train, test))
        estimates = []
        for number in range(permutations + 1):
            held = self._held_out(labels[:, number], divisions, number, permutations)
            estimates.append(held.auc())
        areas = np.array([[estimate.value for estimate in estimates]])
        variances = np.array([[estimate.standard_error**2 for estimate in estimates]])
        return NullDistribution(areas, variances)

    def _held_out(
        self, labels: np.ndarray, divisions: Sequence[Fold], number: int, permutations: int
    ) -> HeldOut:
        def said(fold: Fold, test: np.ndarray) -> Mapping[str, np.ndarray]:
            name = f"{number:04d}-{fold.name}"
            what = f"labelling {number} of {permutations}, fold {fold.name}"
            draws = (1, number, int(fold.name))
            path = self.out / NULL / f"{name}.npz"
            return {"": self._tested(fold, labels, draws, path, what, keep_weights=False)[test]}

        return held_out_each(self.study, [""], divisions, said, labels=labels)[""]

    def _tested(
        self, fold: Fold, labels: np.ndarray, draws: Sequence[int], path: Path, what: str, *,
        keep_weights: bool,
    ) -> np.ndarray:  # fmt: skip
        """Logits of the test people of a fold by a network of its training people, (people,)."""
        logits = np.full(len(labels), np.nan)
        train = [row for row in fold.train if labels[row] in (0, 1) and row in self.sequences]
        test = [row for row in fold.test if row in self.sequences]
        if not self.study.kind.enough_to_train(labels[train]):
            return logits
        checkpoint = path.with_name(f"{path.stem}_checkpoint.npz")
        if path.is_file():
            checkpoint.unlink(missing_ok=True)
            arrays, _ = read_arrays(path, "the network of a fold")
            logits[test] = arrays["logits"]
            return logits
        path.parent.mkdir(parents=True, exist_ok=True)
        trained = self._trained(train, labels, draws, checkpoint)
        said = logits_of(
            trained, [self.sequences[row] for row in test], self.settings, device=self.device
        )
        arrays = {f"weights/{name}": value for name, value in trained.weights.items()}
        kept = {"logits": said, "losses": np.array(trained.losses)}
        card = {
            "scheme": fold.scheme, "repeat": fold.repeat, "fold": fold.name,
            "people_in_training": len(train), "image": list(trained.scale.image),
            "days": list(trained.scale.days),
        }  # fmt: skip
        write_arrays(path, {**(arrays if keep_weights else {}), **kept}, card)
        checkpoint.unlink(missing_ok=True)
        self.say(f"{what}: {len(train)} people, loss {trained.losses[-1]:.3f}")
        logits[test] = said
        return logits

    def _trained(
        self, train: Sequence[int], labels: np.ndarray, draws: Sequence[int], checkpoint: Path
    ) -> TrainedSequence:
        people = [self.sequences[row] for row in train]
        seen = [sequence_digest(person) for person in people]
        request = {
            "shape": {},
            "training": {"fold": list(draws)},
            "images_sha256": _digest([seen, labels[train].tolist()]),
        }
        return train_sequence(
            people, labels[train], self.settings, draws=draws, device=self.device,
            checkpoint=checkpoint, request=request, checkpoint_every=self.checkpoint_every,
        )  # fmt: skip


def check_same_request(request: Mapping[str, Any], out: Path) -> None:
    """Begin a folder with a request, or go on with the same one.

    Raises
    ------
    ConfigError
        The folder holds results of another request, whose first difference is named.
    """
    path = out / REQUEST
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_json(request, path)
        return
    earlier = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(as_json(request))
    if earlier == now:
        return
    then, asked = earlier.get("settings", {}), now["settings"]
    odd = [name for name in asked if then.get(name) != asked[name]]
    if odd:
        found = ", ".join(f"{name} {then.get(name)}" for name in odd)
        wanted = ", ".join(f"{name} {asked[name]}" for name in odd)
    else:
        named = [name for name in now if name != "settings" and earlier.get(name) != now[name]]
        found, wanted = f"other {' and '.join(named)}", "those of this request"
    raise ConfigError(
        str(out), found=f"it holds results with {found}", wanted=wanted,
        mend="Give another folder with --out, or the options of before",
    )  # fmt: skip


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
