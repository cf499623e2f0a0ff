"""Terms of the BI-RADS ultrasound lexicon (ACR, 5th edition), and names of data sets and flags."""

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


def scanner_of(published: str | None, dataset: str) -> str:
    """Return a real image's scanner by the name that findings have.

    Parameters
    ----------
    published
        As the data set has it, ``"GE Logiq 7 @10-14MHz"``: the frequencies are left out. None for
        one that is not named: the data set stands for it.
    """
    return published.split(" @")[0] if published else _STYLES.get(dataset, dataset)
