"""Signed provenance in exported images: Content Credentials (C2PA 2, https://spec.c2pa.org).

In: an image file, the key and certificates of who publishes it. Out: the same image, pixels
unchanged, with a signed statement that a program drew it, a trained one or not. Comes with
``busgen[sign]``.
"""

import io
import json
from pathlib import Path

from busgen import NOT_FOR_CLINICAL_USE, __version__
from busgen.errors import UserError
from busgen.extras import require_extra

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"  # IPTC's terms of how media came about
_PLAIN = {"builder": {"thumbnail": {"enabled": False}}}
_KEYS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}  # curve: algorithm


class Signature:
    """Signs images by a private key and its certificate, the issuers' behind it; PEM files.

    Raises `UserError` for a file that cannot be read, a key of no known kind, and where
    ``busgen[sign]`` is not installed.
    """

    def __init__(self, private: Path, certificates: Path) -> None:
        require_extra("sign", "signing images")
        import c2pa

        try:
            key, chain = private.read_bytes(), certificates.read_bytes()
            info = c2pa.C2paSignerInfo(_algorithm(key), chain, key, None)
            self._signer = c2pa.Signer.from_info(info)
        except (OSError, ValueError, TypeError, c2pa.C2paError) as error:
            rule = "the key and its certificates must be PEM files that belong together"
            remedy = "name a private key without password, and a chain that begins with its own"
            raise UserError(rule, f"{type(error).__name__}: {error}", remedy) from error
        self._context = c2pa.Context(c2pa.Settings.from_dict(_PLAIN))

    def sign(self, image: bytes, title: str, engine: str, kind: str = "image/png") -> bytes:
        """Return an `engine`'s image with its signed provenance; `kind` is its media type."""
        import c2pa

        source = "algorithmicMedia" if engine == "phantom" else "trainedAlgorithmicMedia"
        created = {
            "action": "c2pa.created",
            "digitalSourceType": SOURCE + source,
            "description": NOT_FOR_CLINICAL_USE,
        }
        manifest = {
            "claim_generator_info": [{"name": "busgen", "version": __version__}],
            "title": title,
            "format": kind,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }
        signed = io.BytesIO()
        try:
            with c2pa.Builder(json.dumps(manifest), self._context) as builder:
                builder.sign(self._signer, kind, io.BytesIO(image), signed)
        except c2pa.C2paError as error:
            rule = "the certificate must be one that may sign content"
            remedy = "see https://spec.c2pa.org for its usages; it cannot be its own issuer"
            raise UserError(rule, str(error), remedy) from error
        return signed.getvalue()


def _algorithm(key: bytes) -> str:
    """Return C2PA's name of the algorithm that a private key in PEM form signs by."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found = load_pem_private_key(key, password=None)
    if isinstance(found, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.curve.name in _KEYS:
        return _KEYS[found.curve.name]
    raise ValueError(f"{type(found).__name__} does not sign")
