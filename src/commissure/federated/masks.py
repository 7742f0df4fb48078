"""Masks of a site: what it sends means nothing until what all sites sent is added.

Each two sites agree on a secret by X25519 (Diffie and Hellman; RFC 7748), from which HKDF-SHA-256
(RFC 5869) makes a key for every round and AES-256 in counter mode a stream as long as the message.
One of the two adds the stream and the other takes it away, so that all streams cancel in the sum
over the sites (Bonawitz et al. 2017, CCS, without their shares for who drops out: here nothing is
unmasked that not all sites of the round have sent). Numbers are whole (:mod:`.exact_sums`), so that
the total is that of the clear numbers to the last bit. Needs the extra ``federated``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commissure.errors import DatasetError
from commissure.federated.allowed import ALLOW_LIST_VERSION, MIN_SITES, Message
from commissure.federated.exact_sums import BYTES, modulus, whole_number
from commissure.federated.masked_rounds import whose_sum

if TYPE_CHECKING:
    from commissure.federated.identity import Identity
    from commissure.federated.site import Request


class Masks:
    """What one site knows of a session: its own key, the others' and what it has answered.

    Parameters
    ----------
    name
        The site's name.
    identity
        Signs its keys, and is asked about the others'. None where all sites are of one machine.
    """

    def __init__(self, name: str, identity: Identity | None = None) -> None:
        self._name, self._identity = name, identity
        self._session = ""
        self._private: X25519PrivateKey | None = None
        self._secrets: dict[str, bytes] = {}
        self._last_round = 0
        self._together: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._folds = 0

    def key(self, session: str) -> dict[str, str]:
        """Begin a session with a new key, and tell its public half; the one before is forgotten.

        Raises
        ------
        DatasetError
            The session is this one again, or has no name.
        """
        if not session or session == self._session:
            raise self._refused("the session before again", "a session of its own")
        self._session, self._private = session, X25519PrivateKey.generate()
        # Which sites were in which sum is remembered: a new session would else make any difference.
        self._secrets, self._last_round = {}, 0
        public = self._private.public_key().public_bytes_raw().hex()
        signed = {"certificate": "", "signature": ""}
        if self._identity is not None:
            signed = self._identity.signed(session, self._name, public)
        return {"public": public, **signed}

    def meet(self, keys: Mapping[str, Mapping[str, str]]) -> None:
        """Agree on a secret with every other site.

        Parameters
        ----------
        keys
            What :meth:`key` told at each site of the session.

        Raises
        ------
        DatasetError
            Too few sites, the session's second meeting, a key that is not of whom it is said to be,
            or the same key twice.
        """
        if self._private is None or self._secrets:
            raise self._refused("keys at another time than after this site's own", "one meeting")
        public = self._private.public_key().public_bytes_raw().hex()
        if len(keys) < MIN_SITES or keys.get(self._name, {}).get("public") != public:
            raise self._refused(
                f"keys of {len(keys)} sites", f"those of {MIN_SITES} sites, this one among them"
            )
        if len({words["public"] for words in keys.values()}) < len(keys):
            raise self._refused("one key of two sites", "a key of each")
        secrets = {}
        for site, words in keys.items():
            if self._identity is not None:
                self._identity.refuse_unless_of(self._session, site, words)
            if site != self._name:
                try:
                    theirs = X25519PublicKey.from_public_bytes(bytes.fromhex(words["public"]))
                    secrets[site] = self._private.exchange(theirs)
                except ValueError as error:
                    raise self._refused(f"no key from {site}", "a key of X25519") from error
        self._secrets = secrets

    def masked(self, message: Message, request: Request) -> Message:
        """The message with masks on it.

        Raises
        ------
        DatasetError
            Another session, a round that is not new, too few or unknown sites, or other sites than
            in an earlier sum of this kind: the difference of the two would be those of few.
        """
        assert request.together is not None
        session, sites = request.together.session, request.together.sites
        self._refuse_unsafe(request, session, sites)
        self._last_round = request.round
        context = [
            ALLOW_LIST_VERSION, session, request.round, request.kind, request.view, sorted(sites)
        ]  # fmt: skip
        names = sorted(message.arrays)
        arrays = {name: np.asarray(message.arrays[name], float) for name in names}
        count = sum(array.size for array in arrays.values())
        flat = np.concatenate([np.ravel(arrays[name]) for name in names])
        total = whole_number(flat, f"site {self._name}, {message.kind}")
        for site in sites:
            if site != self._name:
                stream = self._stream(site, context, count)
                total += stream if self._name < site else -stream
        data = (total % modulus(count)).to_bytes(BYTES * count, "little")
        parts = np.frombuffer(data, np.uint8).reshape(count, BYTES)
        ends = np.cumsum([arrays[name].size for name in names])[:-1]
        masked = {
            name: part.reshape(*arrays[name].shape, BYTES)
            for name, part in zip(names, np.split(parts, ends), strict=True)
        }
        return replace(message, arrays=masked, masked=True)

    def _refuse_unsafe(self, request: Request, session: str, sites: tuple[str, ...]) -> None:
        if session != self._session or not self._secrets:
            raise self._refused("a session that it has not met the others in", "the session's keys")
        if request.round <= self._last_round:
            raise self._refused(
                f"round {request.round} after round {self._last_round}",
                "a new round: two answers under one mask tell their difference",
            )
        known = {self._name, *self._secrets}
        if len(set(sites)) < MIN_SITES or self._name not in sites or not known.issuperset(sites):
            raise self._refused(
                f"a sum over {len(set(sites))} sites",
                f"{MIN_SITES} sites of the session at least, this one among them",
            )
        folds = int(request.given.get("folds", self._folds))
        if self._folds not in (0, folds):
            raise self._refused(
                f"{folds} folds after {self._folds}",
                "one division: sums over many of them are those of each person",
            )
        self._folds = folds
        kind = (request.view, request.kind, whose_sum(request.given))
        before = self._together.setdefault(kind, tuple(sorted(sites)))
        if before != tuple(sorted(sites)):
            raise self._refused(
                f"{request.kind} over {len(sites)} sites, after those over {len(before)}",
                "the same sites: the difference of two sums is the sum of who is in one alone",
            )

    def _stream(self, site: str, context: list[Any], count: int) -> int:
        pair = sorted([self._name, site])
        told = json.dumps([*context, pair, count]).encode()
        key = HKDF(SHA256(), 32, salt=None, info=told).derive(self._secrets[site])
        cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        return int.from_bytes(cipher.update(bytes(BYTES * count)), "little")

    def _refused(self, found: str, wanted: str) -> DatasetError:
        return DatasetError(
            f"site {self._name}, masks", found=f"it was asked for {found}", wanted=wanted,
            mend="Begin again; where it comes back, ask the coordinator what was sent",
        )  # fmt: skip
