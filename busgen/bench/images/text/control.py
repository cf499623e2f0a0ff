"""Control by words, put together: real lesions and rendered ones, measured by the same functions.

In: real data as described, findings and the images rendered of them. Out: figures of terms and of
tissue.
"""

from collections.abc import Mapping

import numpy as np

from busgen.arrays import Pixels
from busgen.bench.harness import Figure
from busgen.bench.images.findings import Lesions, Request
from busgen.bench.images.scores import drop_missing
from busgen.bench.images.text import terms as text_terms, tissue as text_tissue


def figures(
    real: Lesions,
    held_out: Lesions,
    request: Request,
    generated: Mapping[str, Pixels],
    subject: str,
) -> dict[str, Figure]:
    """Return how well terms and tissue can be told, on real and on rendered images.

    `real` are all crops of the dataset whose readers state their terms; `request` and `generated`
    (engine -> images) stand for the `held_out` crops of all datasets; `subject` is the engine whose
    shortfall counts.
    """
    groups, lesions = held_out.crops.groups, held_out.crops.is_labelled
    own, outlined = real.crops, real.crops.is_labelled
    unseen = np.array([row["split"] != "train" for row in real.rows], np.bool_)
    stated = [vars(finding) for finding in request.findings]
    rendered = {
        name: text_terms.make_lesions(images, request.masks, stated, groups).pick(lesions)
        for name, images in generated.items()
    }
    read = text_terms.make_lesions(own.images, own.masks, real.rows, own.groups).pick(outlined)
    terms = text_terms.figures(rendered, read, unseen[outlined], subject)
    learned, truth = (  # training patients' images let the tissue be told on others
        text_tissue.make_examples(
            part.crops.images,
            part.crops.datasets,
            [row["tissue"] for row in part.rows],
            part.crops.groups,
        )
        for part in (real.pick(~unseen), real.pick(unseen))
    )
    tissue, devices = [one.tissue for one in request.findings], np.array(request.devices)
    sets = {"real": truth} | {
        name: text_tissue.make_examples(images, devices, tissue, groups)
        for name, images in generated.items()
    }
    model = text_tissue.fit(learned)
    return terms | drop_missing(
        {f"tissue_auc_{name}": text_tissue.measure(model, one) for name, one in sets.items()}
    )
