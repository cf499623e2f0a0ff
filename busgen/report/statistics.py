"""Plain words for measured statistics.

In: names of `busgen.imaging.statistics`. Out: (heading, what it means, unit) of each.
"""

GREY = "grey levels"
STATISTICS = {
    "width_mm": ("Lesion width", "side to side, as on the caliper", "mm"),
    "height_mm": ("Lesion height", "depth extent, as on the caliper", "mm"),
    "aspect": ("Width / height", "below 1 is taller than wide", ""),
    "box_area_fraction": ("Lesion size in the image", "share of the frame its box covers", "%"),
    "center_x": ("Lesion position, left to right", "0 is the left edge, 1 the right", ""),
    "center_y": ("Lesion position, depth", "0 is the skin, 1 the bottom of the image", ""),
    "solidity": ("Solidity", "1 is convex; indentations and spicules lower it", ""),
    "circularity": ("Roundness of the outline", "1 is a circle", ""),
    "roughness": ("Roughness of the outline", "lobules, corners and spicules raise it", ""),
    "grey_mean": ("Overall brightness", "mean grey level of the image", GREY),
    "grey_sd": ("Overall contrast", "spread of the grey levels", GREY),
    "black": ("Black area", "share of the frame without echo", "%"),
    "contrast": (
        "Lesion against its surroundings",
        "negative is darker than the tissue around it",
        GREY,
    ),
    "speckle_axial_px": ("Speckle grain, along the beam", "mean size of a grain", "px"),
    "speckle_lateral_px": ("Speckle grain, across the beam", "mean size of a grain", "px"),
    "speckle_axial_mm": ("Speckle grain, along the beam", "mean size of a grain", "mm"),
    "speckle_lateral_mm": ("Speckle grain, across the beam", "mean size of a grain", "mm"),
    "mask_agreement": (
        "Lesion found where the mask is",
        "overlap (Dice) of the mask and of what a segmenter finds",
        "%",
    ),
    "boundary_distance": (
        "Outline found where the mask's is",
        "mean distance of the mask's outline and of what a segmenter finds, by the diameter",
        "%",
    ),
    "mask_fit": (
        "Mask fits its image",
        "log odds that the mask is this image's and not another's",
        "",
    ),
    "label_confidence": (
        "Class recognised",
        "probability that a classifier gives the lesion's class",
        "%",
    ),
    "spectrum_slope": (
        "Fine against coarse texture",
        "slope of the power spectrum; steeper (more negative) is smoother",
        "",
    ),
}
