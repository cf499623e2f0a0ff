"""One schema: each column of every table once, with type, unit, range, meaning and source.

The Arrow schemas, the Great Expectations suite and the data dictionary derive from `COLUMNS`.
Terms are the BI-RADS ultrasound lexicon's (ACR, 5th edition), lower case, snake_case; the same in
command line, params, Parquet and code. Null means unknown or not applicable, `none` means absent.
"""

from dataclasses import dataclass
from functools import partial

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
ALWAYS, SOMETIMES, LESION, BY_JUDGES = "always", "sometimes", "lesion", "judged"  # where known
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
    ("mask_agreement", "fraction", (0.0, 1.0), BY_JUDGES,
     "Dice of the requested mask and the lesion that the segmenter finds"),
    ("boundary_distance", "ratio", (0.0, 1.0), BY_JUDGES,
     "mean symmetric distance of the requested mask's outline and the one that the "
     "segmenter finds, by the lesion's equivalent diameter; 1 at most, and if none is found"),
    ("mask_fit", "log odds", (-50.0, 50.0), BY_JUDGES,
     "log odds that the mask is this image's and not another's, from the segmenter's "
     "probabilities and the image at the outline"),
    ("label_confidence", "fraction", (0.0, 1.0), BY_JUDGES,
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
        lesion=known in (LESION, BY_JUDGES),
        judged=known == BY_JUDGES,
    )
    for name, unit, limits, known, about in SCORES
)

# fmt: off
PATHOLOGIES = ("benign", "malignant", "normal")
BIRADS = ("1", "2", "3", "4a", "4b", "4c", "5")
BIRADS_CATEGORIES = ("1", "2", "3", "4", "5")
TISSUES = ("homogeneous_fat", "homogeneous_fibroglandular", "heterogeneous")
SHAPES = ("oval", "round", "irregular")
ORIENTATIONS = ("parallel", "not_parallel")
MARGINS = ("circumscribed", "indistinct", "angular", "microlobulated", "spiculated")
ECHO_PATTERNS = (
    "anechoic", "hyperechoic", "complex_cystic_solid", "hypoechoic", "isoechoic", "heterogeneous",
)
POSTERIORS = ("none", "enhancement", "shadowing", "combined")
CALCIFICATIONS = ("none", "in_a_mass", "outside_a_mass", "intraductal")
SHARING = ("tissue", "echo_pattern", "posterior", "halo", "calcification")  # change no mask
VARIED = (*SHARING, "margin")  # what a counterfactual family may vary
SCANNERS = ("linear_7mhz", "linear_10mhz", "linear_12mhz_compound", "curved_5mhz")  # generic
DEVICES = (  # real ones; BrEaST and BUSI name none, so that these data sets stand for theirs
    "GE Logiq 5", "GE Logiq 7", "Toshiba Aplio 300", "U-Systems", "BrEaST", "BUSI",
)
DATASETS = ("breast", "bus_bra", "busi", "bus_uclm", "stu", "udiat")
FLAGS = (  # what cleaning finds in a real image
    "colour_doppler", "black_border", "sector_field", "overlay", "no_mask", "empty_mask",
    "several_masks", "mask_resized", "near_duplicate", "label_conflict",
)
# fmt: on


def scanner_of(published: str | None, dataset: str) -> str:
    """Return a real image's scanner by the name that findings have.

    `published` is as the data set has it, ``"GE Logiq 7 @10-14MHz"``: the frequencies are left
    out. None for one that is not named: the data set stands for it.
    """
    styles = {"breast": "BrEaST", "busi": "BUSI"}
    return published.split(" @")[0] if published else styles.get(dataset, dataset)


_finding = partial(Column, source="finding", tables=ALL)
_lesion = partial(_finding, nullable=True, lesion=True)
_made = partial(Column, tables=MADE)
_real = partial(Column, source="real", tables=REAL)
# fmt: off
COLUMNS: tuple[Column, ...] = (
    # what is drawn before a pixel exists; in real tables, what the publisher states
    _finding("sample_id", TEXT, "identity of the sample"),
    _made("seed", INT, "seed of this attempt", "finding", range=(0, 2**63 - 1)),
    _made("family_id", TEXT,
          "finding that was drawn: a counterfactual family's members share it, their seed, mask "
          "and split, and differ in one field and its words", "finding"),
    _finding("pathology", TEXT, "class", values=PATHOLOGIES, unstated=True),
    _finding("birads", TEXT, "assessment", values=BIRADS, nullable=True),
    _finding("tissue", TEXT, "tissue composition", values=TISSUES, nullable=True),
    _lesion("shape", TEXT, "shape of the mass", values=SHAPES),
    _lesion("orientation", TEXT, "not_parallel: height_mm > width_mm", values=ORIENTATIONS),
    _lesion("margin", TEXTS,
            "circumscribed alone, or one or more of the others, in lexicon order", values=MARGINS),
    _lesion("echo_pattern", TEXT, "echogenicity, read against fat", values=ECHO_PATTERNS),
    _lesion("posterior", TEXT, "posterior features", values=POSTERIORS),
    _lesion("halo", pa.bool_(), "echogenic halo"),
    _lesion("calcification", TEXT, "calcifications", values=CALCIFICATIONS),
    _lesion("width_mm", REALS, "box width of the lesion", unit="mm", range=(0.5, 120.0)),
    _lesion("height_mm", REALS, "box height (depth extent) of the lesion",
            unit="mm", range=(0.5, 120.0)),
    _lesion("center_x", REALS, "centre of the lesion's box from the left",
            unit="fraction", range=(0.0, 1.0)),
    _lesion("center_y", REALS, "centre of the lesion's box from the skin",
            unit="fraction", range=(0.0, 1.0)),
    _finding("pixel_mm", REALS, "side of a pixel", unit="mm", range=(0.01, 3.0), nullable=True),
    _finding("scanner", TEXT,
             "scanner: a real one's name, or BrEaST or BUSI for the style of a data set that names "
             "none, of the learned engine; a generic array of the phantom", nullable=True),
    _made("text", TEXT, "the finding in words", "finding"),
    *MASK_COLUMNS,
    *SCORE_COLUMNS,
    # verdicts, and how a sample came to be
    _made("image_dhash", INT, "64-bit difference hash of the image", "image"),
    _made("image_sha256", TEXT, "hash of the decoded pixels", "image"),
    _made("attempt", INT, "0 for the first try at this finding", "gate", range=(0, 1000)),
    _made("accepted", pa.bool_(), "verdict", "gate"),
    _made("reason", TEXT,
          "gate that rejected it, or `family`: it passed, another member of its family did not; "
          "null where accepted", "gate", nullable=True),
    Column("flags", TEXTS,
           "gates that only flag and did; of a real image, what cleaning found in it", "gate", ALL),
    _made("duplicate_of", TEXT, "sample that duplicate_distance is measured to", "gate",
          nullable=True),
    _made("mask_engine", TEXT, "mask engine", "release"),
    _made("mask_engine_sha256", TEXT, "all that decides the mask engine's output", "release"),
    _made("engine", TEXT, "image engine", "release"),
    _made("engine_sha256", TEXT, "all that decides the image engine's output", "release"),
    _made("prior_sha256", TEXT, "hash of the clinical prior", "release"),
    _made("code_version", TEXT, "version and hash of the sources that made it", "release"),
    _made("split", TEXT, "train, validation or test; null where rejected", "release",
          values=("train", "validation", "test"), nullable=True),
    # pixels, and what real tables alone have: the crop, the patient, the source
    Column("image", IMAGE, "8-bit grey PNG", "image", RELEASE | REAL),
    Column("mask", IMAGE, "PNG, 0 or 255", "mask", RELEASE | REAL, nullable=True),
    _real("ignore", IMAGE,
          "PNG, 255 where text, rulers, calipers or logos are burned in; null where none are",
          nullable=True),
    *(Column(f"crop_{name}", REALS, f"{about} square crop", "mask", REAL, "fraction",
             range=(0.0, 1.0), nullable=True, lesion=True)
      for name, about in (("width", "box width of the lesion in the"),
                          ("height", "box height of the lesion in the"),
                          ("center_x", "centre of the lesion's box from the left of the"),
                          ("center_y", "centre of the lesion's box from the top of the"))),
    _real("dataset", TEXT, "dataset: a public one, or the name in its map"),
    _real("birads_category", TEXT, "assessment where 4 is not subdivided too",
          values=BIRADS_CATEGORIES, nullable=True),
    _real("patient_id", TEXT, "patient as published, else the image itself"),
    _real("signature", pa.binary(), "what near-duplicates are found by"),
    _real("source_file", TEXT, "file as published"),
    _real("age", INT, "age of the patient", unit="year", range=(0, 120), nullable=True),
    _real("diagnosis", TEXT, "histological type as published", nullable=True),
    _real("notes", TEXTS, "what the reader found odd or changed"),
)
# fmt: on

BY_NAME = {column.name: column for column in COLUMNS}
JUDGED = tuple(column.name for column in COLUMNS if column.judged)  # scores that judges give


def columns(table: str) -> tuple[Column, ...]:
    """Return the columns of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return tuple(column for column in COLUMNS if table in column.tables)


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return pa.schema(
        pa.field(c.name, c.type, c.nullable or (table == "real" and c.unstated))
        for c in columns(table)
    )
