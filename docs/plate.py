"""Draw docs/plate.png: synthetic images of a release with outlines, one row benign, one malignant.

    busgen generate --n 80 --seed 11 --out DIR
    python docs/plate.py DIR docs/plate.png 10 38 56 64 0 48 34 30

The numbers are those of the samples. Each is named by its finding.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

COLUMNS, SIDE, GAP, CAPTION = 4, 224, 4, 34
ORANGE = (255, 150, 40)


def tile(row: dict) -> Image.Image:
    """Return one image with a thin outline and, below it, the words of its finding."""
    pixels, mask = (decode(row[name]["bytes"]) for name in ("image", "mask"))
    shown = cv2.cvtColor(
        cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2RGB
    )
    grown = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, outlines, -1, ORANGE, 1)
    card = Image.new("RGB", (SIDE, SIDE + CAPTION), "white")
    card.paste(Image.fromarray(shown))
    words = [", ".join(filter(None, (row["pathology"], row["shape"])))]
    words += [", ".join(row["margin"] or ())]
    font = ImageFont.load_default(size=12)
    ImageDraw.Draw(card).multiline_text((2, SIDE + 2), "\n".join(words), "black", font, spacing=2)
    return card


def decode(data: bytes) -> np.ndarray:
    """Return the grey pixels (H, W) uint8 of a PNG."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


def main(release: Path, target: Path, numbers: list[int]) -> None:
    """Write the plate of these samples."""
    rows = {
        int(row["family_id"].split("-")[1]): row
        for part in sorted(release.glob("data/*.parquet"))
        for row in pq.read_table(part).to_pylist()
    }
    tiles = [tile(rows[number]) for number in numbers]
    across, down = SIDE + GAP, SIDE + CAPTION
    plate = Image.new("RGB", (across * COLUMNS - GAP, down * -(-len(tiles) // COLUMNS)), "white")
    for place, card in enumerate(tiles):
        plate.paste(card, (place % COLUMNS * across, place // COLUMNS * down))
    plate.save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(word) for word in sys.argv[3:]])
