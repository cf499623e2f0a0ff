"""Control by words, put together: real lesions and rendered ones, measured by the same functions.

In: real data as described, findings and the images rendered of them. Out: figures of terms
(`_terms`) and of tissue (`tissue`).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Figure
from busgen.bench.images.matched import Lesions, Request
from busgen.bench.images.scores import drop_missing
from busgen.bench.images.text import terms as text_terms, tissue as text_tissue
from busgen.bench.images.text.terms import MEASURES, Measure
from busgen.imaging.surroundings import echo_level, posterior_band, rim_level

Images = Mapping[str, NDArray[np.uint8]]  # engine -> (N, S, S)


def measures() -> dict[str, Measure]:
    """Return what is measured inside, below and around a lesion, by the names of `MEASURES`."""
    each = (_measure, _darkness, posterior_band, rim_level)
    return dict(zip(MEASURES, each, strict=True))


def _measure(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    return echo_level(image, mask).level


def _darkness(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    return echo_level(image, mask).darkness


def figures(
    real: Lesions, held_out: Lesions, asked: Request, made: Images, subject: str
) -> dict[str, Figure]:
    """Return how well terms and tissue can be told, on real and on rendered images.

    Parameters
    ----------
    real
        All crops of the dataset whose readers state their terms.
    held_out, asked, made
        Held-out crops of all datasets, the findings in their stead, the engines' images.
    subject
        Engine whose shortfall is told.
    """
    return _terms(real, held_out, asked, made, subject) | _tissues(real, held_out, asked, made)


def _terms(
    real: Lesions, held_out: Lesions, asked: Request, made: Images, subject: str
) -> dict[str, Figure]:
    """Return how well echo pattern, posterior features and halo can be told."""
    told, crops = [vars(finding) for finding in asked.findings], held_out.crops
    lesions = crops.is_labelled
    own = {
        name: text_terms.make_lesions(images, asked.masks, told, crops.groups, measures()).pick(
            lesions
        )
        for name, images in made.items()
    }
    crops, unseen = real.crops, _unseen(real)
    read = text_terms.make_lesions(crops.images, crops.masks, real.rows, crops.groups, measures())
    outlined = crops.is_labelled
    return text_terms.figures(own, read.pick(outlined), unseen[outlined], subject)


def _tissues(real: Lesions, held_out: Lesions, asked: Request, made: Images) -> dict[str, Figure]:
    """Return how well training patients' images let the tissue be told on others."""
    unseen = _unseen(real)
    learned, truth = (_known(real.pick(part)) for part in (~unseen, unseen))
    tissue = [finding.tissue for finding in asked.findings]
    devices, groups = np.array(asked.devices), held_out.crops.groups
    lots = {"real": truth} | {
        name: text_tissue.make_examples(images, devices, tissue, groups)
        for name, images in made.items()
    }
    model = text_tissue.fit(learned)
    return drop_missing(
        {f"tissue_auc_{name}": text_tissue.measure(model, lot) for name, lot in lots.items()}
    )


def _known(real: Lesions) -> text_tissue.Examples:
    tissue, crops = [row["tissue"] for row in real.rows], real.crops
    return text_tissue.make_examples(crops.images, crops.datasets, tissue, crops.groups)


def _unseen(real: Lesions) -> NDArray[np.bool_]:
    """Return which are no training patients'."""
    return np.array([row["split"] != "train" for row in real.rows], np.bool_)
