"""Plain words for the names that stand in tables: fields, terms, gates, statistics.

In: names of `busgen.schema` and `busgen.imaging.statistics`. Out: words for a sonographer, and how
a number is written with its unit.
"""

from math import isfinite

from busgen.report.statistics import GREY, STATISTICS

DEPTH_BANDS = 16
FIELDS = {
    "pathology": "Pathology",
    "shape": "Shape",
    "orientation": "Orientation",
    "margin": "Margin",
    "echo_pattern": "Echo pattern",
    "posterior": "Posterior features",
    "halo": "Echogenic halo",
    "calcification": "Calcifications",
    "birads": "BI-RADS assessment",
    "tissue": "Tissue composition",
    "scanner": "Scanner",
}
PRIOR_ONLY = {
    "outline": "Circumscribed or not",
    "field_mm": "Field of view",
    "log_area_fraction": "Size of the lesion",
    "log_aspect": "Width / height",
    "center_x": "Position, left to right",
    "center_y": "Position, depth",
    "frame": "Distance from the edges",
    "log_area": "Size of the lesion",
    "x": "Position, left to right",
    "y": "Position, depth",
}
TERMS = {
    "in_a_mass": "in the mass",
    "outside_a_mass": "outside the mass",
    "complex_cystic_solid": "complex cystic and solid",
    "linear_7mhz": "linear, 7 MHz",
    "linear_10mhz": "linear, 10 MHz",
    "linear_12mhz_compound": "linear, 12 MHz, compound",
    "curved_5mhz": "curved, 5 MHz",
}
GATES = {
    "mask_error": (
        "Mask does not match the finding",
        "largest error of the lesion's width or height, relative to what was asked",
        "%",
    ),
    "grey_sd": ("Blank image", "spread (standard deviation) of the grey levels", GREY),
    "saturated": ("Overgained image", "share of pure white pixels", "%"),
    "sharpness": ("Blurred image", "share of the image's energy in fine detail", "%"),
    "overlay": (
        "Text or calipers are burned in",
        "pixels that are surely strokes of writing, rulers or calipers, of 256 x 256",
        "px",
    ),
    "anomaly": (
        "Image looks like no ultrasound",
        "distance from how real images look at each depth; 1 is usual",
        "",
    ),
    "orientation_check": ("Image is upside down", "log odds that the skin is at the top", ""),
    "contrast": (
        "Lesion does not stand out as asked",
        "grey inside the lesion against the tissue beside it, positive when darker or brighter "
        "as the echo pattern says",
        GREY,
    ),
    "intensity": (
        "Lesion's grey levels are no lesion's",
        "distance from real lesions' grey levels inside, in front, behind and beside; 1 is usual",
        "",
    ),
    "descriptor_agreement": (
        "Lesion does not look as described",
        "log likelihood ratio of the echo pattern and the posterior features asked for against "
        "others, the lesser of the two",
        "",
    ),
    "mask_agreement": (
        "Lesion is not found where it was asked for",
        "overlap (Dice) of the mask and of what a segmenter, trained on real images, finds",
        "%",
    ),
    "boundary_distance": (
        "Outline is not where it was asked for",
        "mean distance of the mask's outline and of what a segmenter, trained on real images, "
        "finds, by the lesion's diameter",
        "%",
    ),
    "mask_fit": (
        "Mask is another image's",
        "log odds that the lesion of this image has this outline, from the segmenter's "
        "probabilities and the grey levels at the outline",
        "",
    ),
    "label_confidence": (
        "Lesion looks like the other class",
        "probability that a classifier, trained on real images, gives the class asked for",
        "%",
    ),
    "copy_similarity": (
        "Copies a known image",
        "largest correlation with a window of an image that none may copy: a real one, or one of "
        "an earlier release",
        "",
    ),
    "duplicate_distance": (
        "Repeats another image",
        "difference of a 64-bit fingerprint from the nearest accepted image",
        "bits",
    ),
}
DATASETS = {
    "published": "Published tables",
    "breast": "BrEaST",
    "bus_bra": "BUS-BRA",
    "busi": "BUSI",
    "bus_uclm": "BUS-UCLM",
    "stu": "STU-Hospital",
    "udiat": "UDIAT (Dataset B)",
}
FLAGS = {  # what cleaning found, what that means
    "colour_doppler": ("Colour Doppler", "colours of flow: no B-mode"),
    "black_border": ("Black border", "black around the ultrasound field"),
    "sector_field": ("Sector field", "a field that widens with depth"),
    "overlay": ("Burned-in marks", "text, logo, body mark, ruler or calipers in the image"),
    "no_mask": ("No mask", "a lesion whose outline is not published"),
    "empty_mask": ("Empty mask", "a lesion whose outline shows nothing"),
    "several_masks": ("Several masks", "several outlines, or one of several parts"),
    "mask_resized": ("Mask of another size", "brought to the image's"),
    "near_duplicate": ("Near-duplicate", "a copy of another image, whole, flipped or cropped"),
    "label_conflict": ("Label conflict", "copies of one image with different labels"),
}
BESIDE_GATES = {  # other reasons of rejection
    "family": ("Another member of its family was rejected", "a family is made again whole", "")
}


def name_field(name: str) -> str:
    """Return a field's heading."""
    return (FIELDS | PRIOR_ONLY).get(name, to_words(name).capitalize())


def name_term(name: str) -> str:
    """Return a lexicon term in words."""
    return TERMS.get(name, to_words(name))


def to_words(name: str) -> str:
    """Return a column name in words."""
    return name.replace("_", " ")


def name_gate(name: str) -> tuple[str, str, str]:
    """Return (what failing it means, what its score is, unit) of a gate."""
    return (GATES | BESIDE_GATES).get(name, (to_words(name).capitalize(), "score of this gate", ""))


def name_dataset(name: str) -> str:
    """Return a public dataset's own name."""
    return DATASETS.get(name, name)


def name_scanner(name: str) -> str:
    """Return whose real images are meant: a scanner's, a dataset's that names none, or all."""
    if not name:
        return "All scanners"
    unnamed = name in DATASETS or name in DATASETS.values()
    return f"{name_dataset(name)}, scanner not stated" if unnamed else name


def name_statistic(name: str) -> tuple[str, str, str]:
    """Return (heading, what it means, unit) of a measured statistic."""
    if name.startswith("grey_p"):
        share = name.removeprefix("grey_p")
        return (
            f"Grey level, percentile {share}",
            f"{share} % of the image is darker than this",
            GREY,
        )
    if name.startswith("depth_"):
        band = int(name.removeprefix("depth_"))
        low, high = 100 * band // DEPTH_BANDS, 100 * (band + 1) // DEPTH_BANDS
        return (
            f"Brightness at {low} to {high} % depth",
            "mean grey level of this band, counted from the skin",
            GREY,
        )
    if name.startswith("contrast_"):
        lesions = name_term(name.removeprefix("contrast_"))
        return f"Lesion against its surroundings, {lesions} only", STATISTICS["contrast"][1], GREY
    return STATISTICS.get(name, (to_words(name).capitalize(), "measured on image and mask", ""))


def format_number(value: float | None, digits: int = 3) -> str:
    """Return a number to `digits` significant digits, with a true minus sign; a dash for none."""
    if value is None or not isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−").replace(",", " ")
    return f"{value:.{digits}g}".replace("-", "−")


def format_percent(share: float | None) -> str:
    """Return a share in per cent: one decimal, none for 0 and 1."""
    if share is None or not isfinite(share):
        return "–"
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"


def format_value(value: float | None, unit: str) -> str:
    """Return a number as its unit asks for: shares (unit ``"%"``) in per cent, without the sign."""
    return format_number(100 * value if value is not None and unit == "%" else value)
