"""Signed images, read back by c2pa; certificates made by a lab of two keys."""

import datetime
import io
import json

import c2pa
import cv2
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typer.testing import CliRunner

from busgen import NOT_FOR_CLINICAL_USE
from busgen.cli import app
from busgen.errors import UserError
from busgen.release.exports.export import export
from busgen.release.read import read_image
from busgen.release.signing import SOURCE, Signature

PEM = serialization.Encoding.PEM
KEYS = {
    "curve": lambda: ec.generate_private_key(ec.SECP256R1()),
    "edwards": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def _certificate(subject, public, issuer_key, *, issuer):
    """Return a certificate that may sign content, or one that may issue others."""
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n),
                        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a lab é")])
             for n in (subject, "root")]  # fmt: skip
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False)  # fmt: skip
    built = (
        x509.CertificateBuilder(named[1], named[0], public, x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + 30 * day)
        .add_extension(x509.BasicConstraints(ca=issuer, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not issuer, key_cert_sign=issuer, crl_sign=issuer,
                          **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )  # fmt: skip
    if not issuer:
        signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        built = built.add_extension(signing, critical=False)
    return built.sign(issuer_key, hashes.SHA256()).public_bytes(PEM)


def _identity(folder, kind):
    root, own = KEYS["curve"](), KEYS[kind]()
    chain = _certificate("lab", own.public_key(), root, issuer=False)
    chain += _certificate("root", root.public_key(), root, issuer=True)
    private = own.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "chain.pem").write_bytes(chain)
    return (folder / "key.pem", folder / "chain.pem")


def _read(png):
    with c2pa.Reader("image/png", io.BytesIO(png)) as reader:
        return json.loads(reader.json())


@pytest.mark.parametrize(
    ("kind", "engine", "source"),
    [
        ("curve", "phantom", "algorithmicMedia"),  # physics: nothing was trained
        ("edwards", "diffusion", "trainedAlgorithmicMedia"),
        ("rsa", "diffusion", "trainedAlgorithmicMedia"),
    ],
)
def test_a_signed_image(tmp_path, kind, engine, source):
    pixels = np.random.default_rng(3).integers(0, 256, (40, 50), np.uint8)
    png = cv2.imencode(".png", pixels)[1].tobytes()
    signed = Signature(*_identity(tmp_path, kind)).sign(png, "sample é", engine)
    assert (cv2.imdecode(np.frombuffer(signed, np.uint8), cv2.IMREAD_UNCHANGED) == pixels).all()
    found = _read(signed)
    own = found["manifests"][found["active_manifest"]]
    assert own["title"] == "sample é"
    assert own["signature_info"]["issuer"] == "a lab é"
    action = own["assertions"][0]["data"]["actions"][0]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == SOURCE + source
    assert NOT_FOR_CLINICAL_USE in action["description"]
    faults = [each["code"] for each in found.get("validation_status", [])]
    assert faults == ["signingCredential.untrusted"]  # a lab's own root is on no list

    changed = bytearray(signed)
    changed[signed.rindex(b"IDAT") + 20] ^= 1
    faults = [each["code"] for each in _read(bytes(changed))["validation_status"]]
    assert "assertion.dataHash.mismatch" in faults


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ("folder", "test/images/*.png"),
        ("coco", "images/test/*.png"),
        ("nnunet", "Dataset001_busgen/imagesTs/*.tif"),
    ],
)
def test_export_signs_every_image(release, tmp_path, form, place):
    identity = _identity(tmp_path, "curve")
    export(release, tmp_path / "out", form, Signature(*identity))
    images = sorted((tmp_path / "out").glob(place))
    assert images
    for path in images:
        found = _read(path.read_bytes())
        assert found["manifests"][found["active_manifest"]]["title"] == path.stem.removesuffix(
            "_0000"
        )
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        assert (pixels == read_image(release, path.stem.removesuffix("_0000"))).all()


def test_what_cannot_sign(release, tmp_path):
    identity = _identity(tmp_path, "curve")
    key, chain = identity
    for wrong in ((chain, key), (tmp_path / "none.pem", chain)):
        with pytest.raises(UserError, match="PEM files that belong together"):
            Signature(*wrong)
    with pytest.raises(UserError, match="DICOM is not signed"):
        export(release, tmp_path / "out", "dicom", Signature(*identity))
    (tmp_path / "other").mkdir()
    other, _ = _identity(tmp_path / "other", "curve")
    with pytest.raises(UserError):
        export(release, tmp_path / "out", "folder", Signature(other, chain))
    assert not (tmp_path / "out").exists()
    words = ["export", str(release), "--out", str(tmp_path / "out"), "--key", str(key)]
    assert CliRunner().invoke(app, words).exit_code != 0
