"""One schema: each column of every table once, with type, unit, range, meaning and source.

The Arrow schemas, the Great Expectations suite and the data dictionary derive from `COLUMNS`.
Terms are the BI-RADS ultrasound lexicon's (ACR, 5th edition), lower case, snake_case; the same in
command line, params, Parquet and code. Null means unknown or not applicable, `none` means absent.
"""

from dataclasses import dataclass, field

import pyarrow as pa

PATHOLOGIES = ("benign", "malignant", "normal")
BIRADS = ("1", "2", "3", "4a", "4b", "4c", "5")
BIRADS_CATEGORIES = ("1", "2", "3", "4", "5")
TISSUES = ("homogeneous_fat", "homogeneous_fibroglandular", "heterogeneous")
SHAPES = ("oval", "round", "irregular")
ORIENTATIONS = ("parallel", "not_parallel")
MARGINS = ("circumscribed", "indistinct", "angular", "microlobulated", "spiculated")
ECHO_PATTERNS = (
    "anechoic",
    "hyperechoic",
    "complex_cystic_solid",
    "hypoechoic",
    "isoechoic",
    "heterogeneous",
)
POSTERIORS = ("none", "enhancement", "shadowing", "combined")
CALCIFICATIONS = ("none", "in_a_mass", "outside_a_mass", "intraductal")
SHARING = ("tissue", "echo_pattern", "posterior", "halo", "calcification")  # change no mask
VARIED = (*SHARING, "margin")  # what a counterfactual family may vary
SCANNERS = ("linear_7mhz", "linear_10mhz", "linear_12mhz_compound", "curved_5mhz")  # generic
DEVICES = (  # real ones; BrEaST and BUSI name none, so that these data sets stand for theirs
    *("GE Logiq 5", "GE Logiq 7", "Toshiba Aplio 300", "U-Systems"),
    *("BrEaST", "BUSI"),
)
_STYLES = {"breast": "BrEaST", "busi": "BUSI"}

DATASETS = ("breast", "bus_bra", "busi", "bus_uclm", "stu", "udiat")
FLAGS = (  # what cleaning finds in a real image
    "colour_doppler",
    "black_border",
    "sector_field",
    "overlay",
    "no_mask",
    "empty_mask",
    "several_masks",
    "mask_resized",
    "near_duplicate",
    "label_conflict",
)

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Column:
    """One column: `tables` names where it stands (`index`, `release`, `real`)."""

    name: str
    type: pa.DataType
    about: str
    source: str
    tables: frozenset[str]
    unit: str = ""
    values: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None
    nullable: bool = False
    lesion: bool = field(default=False)  # null exactly where pathology is normal
    unstated: bool = field(default=False)  # null in real tables where the publisher is silent
    judged: bool = field(default=False)  # null too where no judges were asked


ALL = frozenset({"index", "release", "real"})
MADE = frozenset({"index", "release"})
INDEX, RELEASE, REAL = frozenset({"index"}), frozenset({"release"}), frozenset({"real"})
TEXT, REALS, INT = pa.string(), pa.float64(), pa.int64()


def _finding() -> tuple[Column, ...]:
    """Return what is drawn before a pixel exists; in real tables, what the publisher states."""
    return (
        Column("sample_id", TEXT, "identity of the sample", "finding", ALL),
        Column("seed", INT, "seed of this attempt", "finding", MADE, range=(0, 2**63 - 1)),
        Column(
            "family_id",
            TEXT,
            "finding that was drawn: a counterfactual family's members share it, their seed, mask "
            "and split, and differ in one field and its words",
            "finding",
            MADE,
        ),
        Column("pathology", TEXT, "class", "finding", ALL, values=PATHOLOGIES, unstated=True),
        Column("birads", TEXT, "assessment", "finding", ALL, values=BIRADS, nullable=True),
        Column("tissue", TEXT, "tissue composition", "finding", ALL, values=TISSUES, nullable=True),
        _term("shape", "shape of the mass", SHAPES),
        _term("orientation", "not_parallel: height_mm > width_mm", ORIENTATIONS),
        Column(
            "margin",
            pa.list_(pa.string()),
            "circumscribed alone, or one or more of the others, in lexicon order",
            "finding",
            ALL,
            values=MARGINS,
            nullable=True,
            lesion=True,
        ),
        _term("echo_pattern", "echogenicity, read against fat", ECHO_PATTERNS),
        _term("posterior", "posterior features", POSTERIORS),
        Column("halo", pa.bool_(), "echogenic halo", "finding", ALL, nullable=True, lesion=True),
        _term("calcification", "calcifications", CALCIFICATIONS),
        _size("width_mm", "box width of the lesion", "mm", (0.5, 120.0)),
        _size("height_mm", "box height (depth extent) of the lesion", "mm", (0.5, 120.0)),
        _size("center_x", "centre of the lesion's box from the left", "fraction", (0.0, 1.0)),
        _size("center_y", "centre of the lesion's box from the skin", "fraction", (0.0, 1.0)),
        Column(
            "pixel_mm",
            REALS,
            "side of a pixel",
            "finding",
            ALL,
            "mm",
            range=(0.01, 3.0),
            nullable=True,
        ),
        Column(
            "scanner",
            TEXT,
            "scanner: a real one's name, or BrEaST or BUSI for the style of a data set that names "
            "none, of the learned engine; a generic array of the phantom",
            "finding",
            ALL,
            nullable=True,
        ),
        Column("text", TEXT, "the finding in words", "finding", MADE),
    )


def _term(name: str, about: str, values: tuple[str, ...]) -> Column:
    return Column(name, TEXT, about, "finding", ALL, values=values, nullable=True, lesion=True)


def _size(name: str, about: str, unit: str, range_: tuple[float, float]) -> Column:
    return Column(
        name, REALS, about, "finding", ALL, unit, range=range_, nullable=True, lesion=True
    )


def _measured(name: str, about: str, unit: str, range_: tuple[float, float]) -> Column:
    return Column(name, REALS, about, "mask", MADE, unit, range=range_, nullable=True, lesion=True)


def _crop(name: str, about: str) -> Column:
    return Column(
        name, REALS, about, "mask", REAL, "fraction", range=(0.0, 1.0), nullable=True, lesion=True
    )


def _geometry() -> tuple[Column, ...]:
    """Return what `busgen.imaging.geometry` measures on the drawn mask."""
    return (
        _measured("mask_area_mm2", "area", "mm2", (0.0, 1e4)),
        _measured("mask_width_mm", "box width", "mm", (0.0, 200.0)),
        _measured("mask_height_mm", "box height", "mm", (0.0, 200.0)),
        _measured("mask_center_x", "box centre from the left", "fraction", (0.0, 1.0)),
        _measured("mask_center_y", "box centre from the top", "fraction", (0.0, 1.0)),
        _measured("mask_major_mm", "major axis of the equal-moment ellipse", "mm", (0.0, 300.0)),
        _measured("mask_minor_mm", "minor axis of the equal-moment ellipse", "mm", (0.0, 300.0)),
        _measured("mask_angle_deg", "major axis against the skin", "degree", (-90.0, 90.0)),
        _measured("mask_solidity", "area / area of convex hull", "ratio", (0.0, 1.0)),
        _measured("mask_circularity", "4 pi area / perimeter^2", "ratio", (0.0, 1.2)),
        _measured(
            "mask_roughness",
            "rms distance of the outline to its smooth version / equivalent radius",
            "ratio",
            (0.0, 2.0),
        ),
        Column(
            "mask_curvature",
            pa.list_(pa.float64()),
            "power of curvature times equivalent "
            "radius in octave bands of cycles per outline: 1, 2-3, 4-7, 8-15, 16-31",
            "mask",
            MADE,
            "1",
            nullable=True,
            lesion=True,
        ),
    )


def _score(
    name: str, about: str, unit: str, range_: tuple[float, float], *, lesion: bool = False
) -> Column:
    return Column(
        name, REALS, about, "gate", MADE, unit, range=range_, nullable=lesion, lesion=lesion
    )


def _known(name: str, about: str) -> Column:
    """Return a similarity that only pictures have that are compared with known ones."""
    return Column(name, REALS, about, "gate", MADE, range=(-1.0, 1.0), nullable=True)


def _seen(name: str, about: str, unit: str, range_: tuple[float, float]) -> Column:
    """Return a score that pictures under 192 px a side have not."""
    return Column(name, REALS, about, "gate", MADE, unit, range=range_, nullable=True)


def _judged(
    name: str, about: str, unit: str = "fraction", range_: tuple[float, float] = (0.0, 1.0)
) -> Column:
    """Return a score that a judge gives."""
    return Column(
        name, REALS, about, "gate", MADE, unit, range=range_,
        nullable=True, lesion=True, judged=True,
    )  # fmt: skip


def _scores() -> tuple[Column, ...]:
    """Return the gate scores, in the order in which the gates are asked."""
    return (
        _score(
            "mask_error",
            "largest relative error of the mask's box against the finding's",
            "ratio",
            (0.0, 1e3),
            lesion=True,
        ),
        _score("grey_sd", "standard deviation of grey levels in the field", "grey", (0.0, 128.0)),
        _score("saturated", "share of pixels at 255", "fraction", (0.0, 1.0)),
        _score(
            "sharpness",
            "share of spectral energy above .12 cycles per pixel",
            "fraction",
            (0.0, 1.0),
        ),
        _seen(
            "overlay",
            "pixels, of 256 x 256, that are surely strokes of text, calipers or rulers",
            "pixel",
            (0.0, 65536.0),
        ),
        _seen(
            "strangeness",
            "Mahalanobis distance to real pictures' statistics, of the median band of depth; "
            "about 1 is usual",
            "1",
            (0.0, 1e6),
        ),
        _seen("upright", "log odds that the skin is at the top", "log odds", (-1e6, 1e6)),
        _score(
            "contrast",
            "mean grey level inside the mask minus that of its surroundings, "
            "with the sign that the echo pattern asks for",
            "grey",
            (-255.0, 255.0),
            lesion=True,
        ),
        _seen(
            "intensity",
            "Mahalanobis distance to real lesions' grey levels inside, in front, behind and "
            "beside; about 1 is usual",
            "1",
            (0.0, 1e6),
        ),
        _seen(
            "descriptor_agreement",
            "least log likelihood ratio of the requested echo pattern and posterior features "
            "against the other terms; null too where too few real lesions have a term",
            "1",
            (-1e6, 1e6),
        ),
        _judged(
            "mask_agreement", "Dice of the requested mask and the lesion that the segmenter finds"
        ),
        _judged(
            "boundary_distance",
            "mean symmetric distance of the requested mask's outline and the one that the "
            "segmenter finds, by the lesion's equivalent diameter; 1 at most, and if none is found",
            "ratio",
        ),
        _judged(
            "mask_fit",
            "log odds that the mask is this picture's and not another's, from the segmenter's "
            "probabilities and the picture at the outline",
            "log odds",
            (-50.0, 50.0),
        ),
        _judged(
            "label_confidence",
            "calibrated probability that the classifier gives the requested pathology",
        ),
        _known(
            "copy_similarity",
            "largest correlation with a window of a picture that the generator learned from; null "
            "where no file of such pictures is at hand",
        ),
        _score(
            "duplicate_distance",
            "bits by which the 64-bit difference hash differs from the "
            "nearest earlier accepted image of another family",
            "bit",
            (0.0, 64.0),
        ),
    )


COLUMNS: tuple[Column, ...] = (
    *_finding(),
    *_geometry(),
    *_scores(),
    Column("image_dhash", INT, "64-bit difference hash of the image", "image", MADE),
    Column("image_sha256", TEXT, "hash of the decoded pixels", "image", MADE),
    Column("attempt", INT, "0 for the first try at this finding", "gate", MADE, range=(0, 1000)),
    Column("accepted", pa.bool_(), "verdict", "gate", MADE),
    Column(
        "reason",
        TEXT,
        "gate that rejected it, or `family`: it passed, another member of its family did not; null "
        "where accepted",
        "gate",
        MADE,
        nullable=True,
    ),
    Column(
        "flags",
        pa.list_(pa.string()),
        "gates that only flag and did; of a real image, what cleaning found in it",
        "gate",
        ALL,
    ),
    Column(
        "duplicate_of",
        TEXT,
        "sample that duplicate_distance is measured to",
        "gate",
        MADE,
        nullable=True,
    ),
    Column("mask_engine", TEXT, "mask engine", "release", MADE),
    Column(
        "mask_engine_sha256", TEXT, "all that decides the mask engine's output", "release", MADE
    ),
    Column("engine", TEXT, "image engine", "release", MADE),
    Column("engine_sha256", TEXT, "all that decides the image engine's output", "release", MADE),
    Column("prior_sha256", TEXT, "hash of the clinical prior", "release", MADE),
    Column("code_version", TEXT, "version and hash of the sources that made it", "release", MADE),
    Column(
        "split",
        TEXT,
        "train, validation or test; null where rejected",
        "release",
        MADE,
        values=("train", "validation", "test"),
        nullable=True,
    ),
    Column("image", PICTURE, "8-bit grey PNG", "image", RELEASE | REAL),
    Column("mask", PICTURE, "PNG, 0 or 255", "mask", RELEASE | REAL, nullable=True),
    Column(
        "ignore",
        PICTURE,
        "PNG, 255 where text, rulers, calipers or logos are burned in; null where none are",
        "real",
        REAL,
        nullable=True,
    ),
    _crop("crop_width", "box width of the lesion in the square crop"),
    _crop("crop_height", "box height of the lesion in the square crop"),
    _crop("crop_center_x", "centre of the lesion's box from the left of the square crop"),
    _crop("crop_center_y", "centre of the lesion's box from the top of the square crop"),
    Column("dataset", TEXT, "public dataset", "real", REAL, values=DATASETS),
    Column(
        "birads_category",
        TEXT,
        "assessment where 4 is not subdivided too",
        "real",
        REAL,
        values=BIRADS_CATEGORIES,
        nullable=True,
    ),
    Column("patient_id", TEXT, "patient as published, else the image itself", "real", REAL),
    Column("signature", pa.binary(), "what near-duplicates are found by", "real", REAL),
    Column("source_file", TEXT, "file as published", "real", REAL),
    Column("age", INT, "age of the patient", "real", REAL, "year", range=(0, 120), nullable=True),
    Column("diagnosis", TEXT, "histological type as published", "real", REAL, nullable=True),
    Column("notes", pa.list_(pa.string()), "what the reader found odd or changed", "real", REAL),
)

BY_NAME = {column.name: column for column in COLUMNS}


def scanner_of(published: str | None, dataset: str) -> str:
    """Return a real image's scanner by the name that findings have.

    Parameters
    ----------
    published
        As the data set has it, ``"GE Logiq 7 @10-14MHz"``: the frequencies are left out. None for
        one that is not named: the data set stands for it.
    """
    return published.split(" @")[0] if published else _STYLES.get(dataset, dataset)


def columns(table: str) -> tuple[Column, ...]:
    """Return the columns of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return tuple(column for column in COLUMNS if table in column.tables)


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return pa.schema(
        [
            pa.field(c.name, c.type, c.nullable or (table == "real" and c.unstated))
            for c in columns(table)
        ]
    )
