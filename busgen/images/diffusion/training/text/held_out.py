"""Wordings that the text encoder never learns from, to test it by: clauses, synonyms, texts.

In: nothing. Out: tables like `vocabulary`'s that share no entry with it, and whole paraphrases
with what they state. A wording that moves to `vocabulary` must leave here.
"""

from busgen.images.diffusion.training.text.vocabulary import Synonyms

SYNONYMS: Synonyms = {
    "pathology": {
        "benign": ("benignant", "=non-malignant", "=benignity"),
        "malignant": ("=malignant tumour", "=carcinomatous", "=adenocarcinoma"),
        "normal": ("=no discrete mass", "=normal sonogram", "=no lesions found"),
    },
    "tissue": {
        "homogeneous_fat": ("homogeneously fatty parenchyma", "fat tissue"),
        "homogeneous_fibroglandular": ("homogeneously fibroglandular breast", "glandular breast"),
        "heterogeneous": ("heterogeneous breast parenchyma", "heterogeneous surroundings"),
    },
    "shape": {
        "oval": ("ellipsoid", "ovular", "ellipse-like"),
        "round": ("roundish", "spheric"),
        "irregular": ("irregularly formed", "unregular"),
    },
    "orientation": {
        "parallel": ("horizontally aligned", "=wider than high"),
        "not_parallel": ("vertically aligned", "anti-parallel", "=taller than broad"),
    },
    "margin": {
        "circumscribed": ("circumscribing", "sharply defined", "smoothly demarcated"),
        "indistinct": ("indistinctly defined", "blurry", "badly defined"),
        "angular": ("angled", "angulate"),
        "microlobulated": ("microlobular", "=microlobulation"),
        "spiculated": ("spicular", "spiculate"),
    },
    "echo_pattern": {
        "anechoic": ("anechogenic", "=simple cysts"),
        "hyperechoic": ("hyper-echoic", "=hyperechogenicity"),
        "complex_cystic_solid": ("mixed solid and cystic", "=complex cystic-solid"),
        "hypoechoic": ("hypo-echoic", "=hypoechogenicity"),
        "isoechoic": ("iso-echoic", "=isoechogenicity"),
        "heterogeneous": ("=heterogeneous echoes", "heterogenous"),
    },
    "posterior": {
        "none": ("posterior acoustic phenomena", "posterior acoustic shadowing or enhancement"),
        "enhancement": ("dorsal enhancement", "posterior sound enhancement", "thru-transmission"),
        "shadowing": ("dorsal shadowing", "posterior acoustic shadows", "retrotumoral shadow"),
        "combined": ("combined posterior acoustic features", "enhancement plus shadowing"),
    },
    "halo": {"yes": ("perilesional halo", "an echogenic border halo", "brightly echogenic rim")},
    "calcification": {
        "none": ("calcified foci", "microcalcification"),
        "in_a_mass": ("calcifications inside the lesion", "intratumoral calcifications"),
        "outside_a_mass": ("calcifications located outside the nodule",),
        "intraductal": ("calcifications inside milk ducts",),
    },
}
CLAUSES: dict[str, tuple[str, ...]] = {
    "pathology": ("rated as {}", "final diagnosis was {}", "which proved {}"),
    "birads": ("BI-RADS score of {}", "classified BI-RADS-{}", "BIRADS class {}"),
    "tissue": ("embedded in {}", "the breast consists of {}", "set among {}"),
    "shape": ("of {} configuration", "its form being {}", "shapewise {}"),
    "orientation": ("whose orientation was {}", "running {}", "orientation wise {}"),
    "margin": ("bounded by {} margins", "the margin was found {}", "demarcation {}"),
    "echo_pattern": ("its echo texture being {}", "echowise {}", "{} in echogenicity"),
}
PRESENT = ("{} could be observed", "accompanied by {}", "along with {}", "one recognises {}")
ABSENT = ("{} could not be observed", "not accompanied by {}", "free of {}", "nor any {}")
LEADS = ("on sonography one finds a", "please make a picture of a", "this examination reveals a")
MASSES = ("growth", "finding", "space-occupying lesion")
JOINERS = (" , while ", " | ", "; furthermore ", " plus ")

Truth = dict[str, str | tuple[str, ...] | bool]
PARAPHRASES: tuple[tuple[str, Truth], ...] = (
    (
        "Sonographically we appreciate an egg-shaped dark nodule, nicely circumscribed, "
        "lying wider than tall; behind it the beam is enhanced. No halo.",
        {
            "shape": "oval",
            "echo_pattern": "hypoechoic",
            "margin": ("circumscribed",),
            "orientation": "parallel",
            "posterior": "enhancement",
            "halo": False,
        },
    ),
    (
        "Spiculated, irregular, taller-than-wide cancer that throws a dense acoustic shadow.",
        {
            "margin": ("spiculated",),
            "shape": "irregular",
            "orientation": "not_parallel",
            "pathology": "malignant",
            "posterior": "shadowing",
        },
    ),
    (
        "Simple cyst with crisp smooth walls and marked through-transmission",
        {"echo_pattern": "anechoic", "margin": ("circumscribed",), "posterior": "enhancement"},
    ),
    (
        "47 y/o, R breast 9:00: 8 mm hypoechoic oval mass, BIRADS 4A",
        {"echo_pattern": "hypoechoic", "shape": "oval", "birads": "4a"},
    ),
    (
        "The nodule has fuzzy, angulated borders surrounded by an echogenic halo.",
        {"margin": ("indistinct", "angular"), "halo": True},
    ),
    (
        "Breast ultrasound image of malignant tumor with heterogeneous echogenicity and "
        "unclear boundary.",
        {"pathology": "malignant", "echo_pattern": "heterogeneous", "margin": ("indistinct",)},
    ),
    (
        "breast ultrasound image of benign tumor with homogeneous echogenicity and clear boundary.",
        {"pathology": "benign", "margin": ("circumscribed",)},
    ),
    (
        "Nothing abnormal; fatty breast, BI-RADS 1",
        {"pathology": "normal", "birads": "1", "tissue": "homogeneous_fat"},
    ),
    (
        "Round isoechoic lesion containing tiny calcifications, no posterior acoustic change",
        {
            "shape": "round",
            "echo_pattern": "isoechoic",
            "calcification": "in_a_mass",
            "posterior": "none",
        },
    ),
    (
        "A hyperechoic mass without halo and without shadowing",
        {"echo_pattern": "hyperechoic", "halo": False, "posterior": "none"},
    ),
    (
        "hypoechoic mass with a hyperechoic halo and microlobulated contours",
        {"echo_pattern": "hypoechoic", "halo": True, "margin": ("microlobulated",)},
    ),
    (
        "Heterogeneous lesion in a breast of homogeneous fibroglandular tissue, category 4c",
        {"echo_pattern": "heterogeneous", "tissue": "homogeneous_fibroglandular", "birads": "4c"},
    ),
    (
        "oval mass at 4 o'clock, 3 cm from nipple, 5 x 2 mm, BI-RADS 2",
        {"shape": "oval", "birads": "2"},
    ),
    (
        "Partly solid, partly cystic mass with calcifications lying outside the mass",
        {"echo_pattern": "complex_cystic_solid", "calcification": "outside_a_mass"},
    ),
    ("intraductal microcalcifications seen", {"calcification": "intraductal"}),
    (
        "no calcifications, halo present, posterior features combined",
        {"calcification": "none", "halo": True, "posterior": "combined"},
    ),
)
