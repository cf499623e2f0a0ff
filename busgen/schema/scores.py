"""Columns of gate scores."""

from busgen.schema.column import MADE, REALS, Column


def score_columns() -> tuple[Column, ...]:
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
            "anomaly",
            "Mahalanobis distance to real images' statistics, of the median band of depth; "
            "about 1 is usual",
            "1",
            (0.0, 1e6),
        ),
        _seen("orientation_check", "log odds that the skin is at the top", "log odds", (-1e6, 1e6)),
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
        _judge(
            "mask_agreement", "Dice of the requested mask and the lesion that the segmenter finds"
        ),
        _judge(
            "boundary_distance",
            "mean symmetric distance of the requested mask's outline and the one that the "
            "segmenter finds, by the lesion's equivalent diameter; 1 at most, and if none is found",
            "ratio",
        ),
        _judge(
            "mask_fit",
            "log odds that the mask is this image's and not another's, from the segmenter's "
            "probabilities and the image at the outline",
            "log odds",
            (-50.0, 50.0),
        ),
        _judge(
            "label_confidence",
            "calibrated probability that the classifier gives the requested pathology",
        ),
        _known(
            "copy_similarity",
            "largest correlation with a window of an image that the generator learned from; null "
            "where no file of such images is at hand",
        ),
        _score(
            "duplicate_distance",
            "bits by which the 64-bit difference hash differs from the "
            "nearest earlier accepted image of another family",
            "bit",
            (0.0, 64.0),
        ),
    )


def _score(
    name: str, about: str, unit: str, range_: tuple[float, float], *, lesion: bool = False
) -> Column:
    return Column(
        name, REALS, about, "gate", MADE, unit, range=range_, nullable=lesion, lesion=lesion
    )


def _known(name: str, about: str) -> Column:
    """Return a similarity that only images have that are compared with known ones."""
    return Column(name, REALS, about, "gate", MADE, range=(-1.0, 1.0), nullable=True)


def _seen(name: str, about: str, unit: str, range_: tuple[float, float]) -> Column:
    """Return a score that images under 192 px a side have not."""
    return Column(name, REALS, about, "gate", MADE, unit, range=range_, nullable=True)


def _judge(
    name: str, about: str, unit: str = "fraction", range_: tuple[float, float] = (0.0, 1.0)
) -> Column:
    """Return a score that a judge gives."""
    return Column(
        name, REALS, about, "gate", MADE, unit, range=range_,
        nullable=True, lesion=True, judged=True,
    )  # fmt: skip
