"""Who a key belongs to: a signature by the site's certificate, which the authority of all issued.

Without it whoever carries the keys could put keys of its own in the place of the sites', and take
the masks off. Needs the extra ``federated``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from commissure.errors import DatasetError


@dataclass(frozen=True)
class Identity:
    """A site's certificate with its key, and the authority whose certificates it believes.

    Attributes
    ----------
    key
        Private key of the certificate.
    certificate
        As text (PEM).
    authority
        Certificate of who issued those of all sites.
    """

    key: RSAPrivateKey
    certificate: str
    authority: x509.Certificate

    @classmethod
    def of_kit(cls, startup: Path) -> Identity:
        """The identity that a site's kit holds, in its folder ``startup``."""
        key = load_pem_private_key((startup / "client.key").read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        # A kit's file may hold the authority's certificate after its own.
        own = x509.load_pem_x509_certificates((startup / "client.crt").read_bytes())[0]
        authority = x509.load_pem_x509_certificate((startup / "rootCA.pem").read_bytes())
        return cls(key, _pem(own), authority)

    def signed(self, session: str, site: str, public: str) -> dict[str, str]:
        """The words that say whose a public key is."""
        signature = self.key.sign(_said(session, site, public), _PADDING, _HASH)
        return {"certificate": self.certificate, "signature": signature.hex()}

    def refuse_unless_of(self, session: str, site: str, words: Mapping[str, str]) -> None:
        """Refuse a key that is not signed by the certificate of that site.

        Raises
        ------
        DatasetError
            The certificate is of somebody else, of another authority or no longer valid, or the
            signature is of another key or session.
        """
        try:
            certificate = x509.load_pem_x509_certificate(words["certificate"].encode())
            certificate.verify_directly_issued_by(self.authority)
            names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            now, public = datetime.now(UTC), certificate.public_key()
            if (
                [name.value for name in names] != [site]
                or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
                or not isinstance(public, RSAPublicKey)
            ):
                raise ValueError("another name, or another day")
            said = _said(session, site, words["public"])
            public.verify(bytes.fromhex(words["signature"]), said, _PADDING, _HASH)
        except (ValueError, TypeError, KeyError, InvalidSignature) as error:
            raise DatasetError(
                f"the key of site {site}", found="its own certificate did not sign it",
                wanted="a key that this site made for this session",
                mend="Ask that site, and who carries the messages, before anything is sent",
            ) from error  # fmt: skip


_HASH = hashes.SHA256()
_PADDING = padding.PSS(mgf=padding.MGF1(_HASH), salt_length=_HASH.digest_size)


def _said(session: str, site: str, public: str) -> bytes:
    return "\n".join(["commissure key", session, site, public]).encode()


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()
