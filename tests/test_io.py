"""Files are whole or not there; images survive PNG."""

from zlib import compress, crc32

import numpy as np
import pytest

from busgen import io
from busgen.errors import DataError, StorageError


def test_a_file_appears_only_when_whole(tmp_path):
    target = tmp_path / "a.txt"

    def fail_half_way() -> None:
        with io.replace_file(target) as partial:
            partial.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert not list(tmp_path.iterdir())
    io.write_text(target, "ü")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file must be writable and have room, got .*: free"):
        io.write_text(tmp_path / "file" / "x.txt", "")


def test_png_keeps_every_grey_level_and_the_hash_is_of_pixels():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    again = io.decode_png(io.encode_png(pixels))
    assert (again == pixels).all()
    assert io.sha256_array(again) == io.sha256_array(pixels)
    assert io.sha256_array(pixels.reshape(8, 32)) != io.sha256_array(pixels)


def image(header: bytes, pixels: bytes) -> bytes:
    """Return a PNG of 2 x 2 pixels whose checksums hold, whatever is in it."""
    chunks = [(b"IHDR", b"\0\0\0\2\0\0\0\2" + header + b"\0\0\0"), (b"IDAT", compress(pixels))]
    parts = [(len(data), kind + data) for kind, data in [*chunks, (b"IEND", b"")]]
    packed = [n.to_bytes(4) + data + crc32(data).to_bytes(4) for n, data in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


WHOLE = image(b"\x08\0", b"\0\1\2\0\3\4")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"abc", "whole PNG, got 3 bytes without PNG signature"),
        (WHOLE[:-12], "whole PNG, got 59 bytes without end"),
        (WHOLE[:-20], "whole PNG"),
        (WHOLE[:50] + b"?" + WHOLE[51:], "whole PNG, got 71 bytes, chunk at byte 33 broken"),
        (image(b"\x08\0", b"\0\1\2"), "whole PNG"),  # a row is missing, checksums hold
        (image(b"\x08\2", bytes(14)), "8-bit grey PNG"),  # colour
    ],
)
def test_images_that_are_not_whole_or_not_grey_are_named(data, rule):
    assert io.decode_png(WHOLE).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DataError, match=f"s1 must be an? {rule}"):
        io.decode_png(data, "s1")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_json_that_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json must"):
        io.read_json(tmp_path / "a.json")


def test_a_png_holds_text_that_other_programs_read():
    from io import BytesIO

    from PIL import Image

    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    told = {"Title": "7-0000001", "Comment": "nicht für Patienten"}
    data = io.encode_png(pixels, told, pixel_mm=0.125)
    assert np.array_equal(io.decode_png(data), pixels)
    with Image.open(BytesIO(data)) as image:
        assert image.text == told
        assert image.info["dpi"] == pytest.approx((25.4 / 0.125,) * 2)
        assert np.array_equal(np.asarray(image), pixels)


def test_json_that_is_too_deep_is_refused_and_no_traceback(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ' * 100_000)
    with pytest.raises(DataError, match=r"a\.json must be a JSON file, got hundreds of levels"):
        io.read_json(tmp_path / "a.json")
