"""What a column is; those of numbers: what is measured on the drawn mask, scores of the gates."""

from dataclasses import dataclass

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Column:
    """One column: `tables` names where it stands (`index`, `release`, `real`).

    `lesion`: null exactly where pathology is normal; `unstated`: null in real tables where the
    publisher is silent; `judged`: null too where no judges were asked.
    """

    name: str
    type: pa.DataType
    about: str
    source: str
    tables: frozenset[str]
    unit: str = ""
    values: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None
    nullable: bool = False
    lesion: bool = False
    unstated: bool = False
    judged: bool = False


ALL = frozenset({"index", "release", "real"})
MADE, RELEASE, REAL = frozenset({"index", "release"}), frozenset({"release"}), frozenset({"real"})
TEXT, REALS, INT, TEXTS = pa.string(), pa.float64(), pa.int64(), pa.list_(pa.string())
ALWAYS, SOMETIMES, LESION, JUDGED = "always", "sometimes", "lesion", "judged"  # where it is known
# fmt: off
MASK = (  # by `busgen.imaging.geometry`: name, unit, range, meaning
    ("mask_area_mm2", "mm2", (0.0, 1e4), "area"),
    ("mask_width_mm", "mm", (0.0, 200.0), "box width"),
    ("mask_height_mm", "mm", (0.0, 200.0), "box height"),
    ("mask_center_x", "fraction", (0.0, 1.0), "box centre from the left"),
    ("mask_center_y", "fraction", (0.0, 1.0), "box centre from the top"),
    ("mask_major_mm", "mm", (0.0, 300.0), "major axis of the equal-moment ellipse"),
    ("mask_minor_mm", "mm", (0.0, 300.0), "minor axis of the equal-moment ellipse"),
    ("mask_angle_deg", "degree", (-90.0, 90.0), "major axis against the skin"),
    ("mask_solidity", "ratio", (0.0, 1.0), "area / area of convex hull"),
    ("mask_circularity", "ratio", (0.0, 1.2), "4 pi area / perimeter^2"),
    ("mask_roughness", "ratio", (0.0, 2.0),
     "rms distance of the outline to its smooth version / equivalent radius"),
)
SCORES = (  # in the order in which the gates are asked; `SOMETIMES`: not under 192 px a side
    ("mask_error", "ratio", (0.0, 1e3), LESION,
     "largest relative error of the mask's box against the finding's"),
    ("grey_sd", "grey", (0.0, 128.0), ALWAYS, "standard deviation of grey levels in the field"),
    ("saturated", "fraction", (0.0, 1.0), ALWAYS, "share of pixels at 255"),
    ("sharpness", "fraction", (0.0, 1.0), ALWAYS,
     "share of spectral energy above .12 cycles per pixel"),
    ("overlay", "pixel", (0.0, 65536.0), SOMETIMES,
     "pixels, of 256 x 256, that are surely strokes of text, calipers or rulers"),
    ("anomaly", "1", (0.0, 1e6), SOMETIMES,
     "Mahalanobis distance to real images' statistics, of the median band of depth; "
     "about 1 is usual"),
    ("orientation_check", "log odds", (-1e6, 1e6), SOMETIMES,
     "log odds that the skin is at the top"),
    ("contrast", "grey", (-255.0, 255.0), LESION,
     "mean grey level inside the mask minus that of its surroundings, "
     "with the sign that the echo pattern asks for"),
    ("intensity", "1", (0.0, 1e6), SOMETIMES,
     "Mahalanobis distance to real lesions' grey levels inside, in front, behind and "
     "beside; about 1 is usual"),
    ("descriptor_agreement", "1", (-1e6, 1e6), SOMETIMES,
     "least log likelihood ratio of the requested echo pattern and posterior features "
     "against the other terms; null too where too few real lesions have a term"),
    ("mask_agreement", "fraction", (0.0, 1.0), JUDGED,
     "Dice of the requested mask and the lesion that the segmenter finds"),
    ("boundary_distance", "ratio", (0.0, 1.0), JUDGED,
     "mean symmetric distance of the requested mask's outline and the one that the "
     "segmenter finds, by the lesion's equivalent diameter; 1 at most, and if none is found"),
    ("mask_fit", "log odds", (-50.0, 50.0), JUDGED,
     "log odds that the mask is this image's and not another's, from the segmenter's "
     "probabilities and the image at the outline"),
    ("label_confidence", "fraction", (0.0, 1.0), JUDGED,
     "calibrated probability that the classifier gives the requested pathology"),
    ("copy_similarity", "", (-1.0, 1.0), SOMETIMES,  # only where images are compared with known
     "largest correlation with a window of an image that the generator learned from; null "
     "where no file of such images is at hand"),
    ("duplicate_distance", "bit", (0.0, 64.0), ALWAYS,
     "bits by which the 64-bit difference hash differs from the "
     "nearest earlier accepted image of another family"),
)
# fmt: on

MASK_COLUMNS = (
    *(
        Column(name, REALS, about, "mask", MADE, unit, range=limits, nullable=True, lesion=True)
        for name, unit, limits, about in MASK
    ),
    Column(
        "mask_curvature",
        pa.list_(REALS),
        "power of curvature times equivalent "
        "radius in octave bands of cycles per outline: 1, 2-3, 4-7, 8-15, 16-31",
        *("mask", MADE, "1"),
        nullable=True,
        lesion=True,
    ),
)
SCORE_COLUMNS = tuple(
    Column(
        *(name, REALS, about, "gate", MADE, unit),
        range=limits,
        nullable=known != ALWAYS,
        lesion=known in (LESION, JUDGED),
        judged=known == JUDGED,
    )
    for name, unit, limits, known, about in SCORES
)
