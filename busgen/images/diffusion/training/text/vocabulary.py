"""Wordings that the text encoder learns from: synonyms of each term, and clauses to say them in.

In: nothing. Out: tables that `busgen.images.diffusion.training.text.phrases` writes sentences with.
`=` marks a synonym that stands alone, without a clause. What is held out stands in `unseen`, never
here.
"""

Synonyms = dict[str, dict[str, tuple[str, ...]]]

SYNONYMS: Synonyms = {  # attributes: adjectives; `posterior`, `halo`, `calcification`: nouns
    "pathology": {
        "benign": ("benign", "benign-appearing", "=not malignant", "=fibroadenoma"),
        "malignant": (
            *("malignant", "cancerous", "=cancer", "=carcinoma", "=malignancy"),
            *("=invasive ductal carcinoma", "=suspicious for malignancy"),
        ),
        "normal": (
            *("normal", "=normal breast", "=no mass", "=no lesion", "=no focal lesion is seen"),
            *("=unremarkable breast", "=no abnormality", "=normal breast ultrasound, no mass"),
            *("=normal study", "=without a mass", "=no nodule", "=no solid or cystic mass"),
        ),
    },
    "tissue": {
        "homogeneous_fat": (
            *("homogeneous fatty tissue", "homogeneous fat", "fatty breast tissue", "=fatty"),
            *("homogeneous fatty breast tissue", "a fatty background", "adipose tissue"),
            *("homogeneous background echotexture, fat", "=tissue composition: homogeneous fat"),
        ),
        "homogeneous_fibroglandular": (
            *("homogeneous fibroglandular tissue", "fibroglandular tissue", "=fibroglandular"),
            *("a homogeneous fibroglandular background", "glandular tissue", "dense tissue"),
            "homogeneous background echotexture, fibroglandular",
            "=tissue composition: homogeneous fibroglandular",
        ),
        "heterogeneous": (
            *("heterogeneous breast tissue", "heterogeneous background tissue"),
            *("a heterogeneous background", "heterogeneous parenchyma", "heterogeneous tissue"),
            *("a heterogeneous background echotexture", "mixed fatty and glandular tissue"),
            *("=tissue composition: heterogeneous", "=background: heterogeneous"),
        ),
    },
    "shape": {
        "oval": ("oval", "ovoid", "elliptical", "oval-shaped", "egg-shaped", "gently lobulated"),
        "round": ("round", "rounded", "circular", "round-shaped", "spherical", "=like a ball"),
        "irregular": (
            *("irregular", "irregularly shaped", "=neither round nor oval", "distorted"),
            *("=irregular form", "amorphous", "=not oval or round"),
        ),
    },
    "orientation": {
        "parallel": (
            *("parallel", "wider than tall", "wider-than-tall", "horizontal", "=lies flat"),
            *("parallel to the skin", "horizontally oriented", "=wider than it is tall"),
            *("=not taller than wide", "=long axis along the skin"),
        ),
        "not_parallel": (
            *("not parallel", "non-parallel", "nonparallel", "taller than wide", "vertical"),
            *("taller-than-wide", "vertically oriented", "not parallel to the skin", "upright"),
            *("=taller than it is wide", "=not wider than tall", "=perpendicular to the skin"),
        ),
    },
    "margin": {
        "circumscribed": (
            *("circumscribed", "well-circumscribed", "well-defined", "smooth", "sharp"),
            *("clear", "sharply demarcated", "well demarcated", "distinct", "=encapsulated"),
        ),
        "indistinct": (
            *("indistinct", "ill-defined", "poorly defined", "blurred", "unclear", "fuzzy"),
            *("not well defined", "vague", "=its border cannot be told from the tissue"),
        ),
        "angular": ("angular", "angulated", "sharply angled", "=sharp corners", "jagged"),
        "microlobulated": (
            *("microlobulated", "micro-lobulated", "finely lobulated", "=microlobulations"),
            *("=small lobulations along the edge", "scalloped"),
        ),
        "spiculated": (
            *("spiculated", "spiky", "=spicules", "=spiculation", "stellate", "star-shaped"),
            *("=radiating lines from the margin", "=with spiculations"),
        ),
    },
    "echo_pattern": {
        "anechoic": (
            *("anechoic", "echo-free", "=cyst", "=simple cyst", "cystic", "=without echoes inside"),
            *("fluid-filled", "=no internal echoes", "=cystic without echoes", "=simple cystic"),
        ),
        "hyperechoic": (
            *("hyperechoic", "hyperechogenic", "echogenic", "bright", "=brighter than fat"),
            *("=bright interior", "=white inside"),
        ),
        "complex_cystic_solid": (
            *("complex cystic and solid", "complex solid and cystic", "mixed cystic and solid"),
            *("complex cystic", "partly cystic", "=complex cyst", "=cystic with solid parts"),
            *("solid-cystic", "=both fluid and solid components"),
        ),
        "hypoechoic": (
            *("hypoechoic", "hypoechogenic", "dark", "markedly hypoechoic", "=darker than fat"),
            *("=low echogenicity", "mildly hypoechoic", "=reduced echogenicity"),
            "=low-level echoes",
        ),
        "isoechoic": (
            *("isoechoic", "isoechogenic", "=same echogenicity as fat", "=as bright as fat"),
            *("=equal in echogenicity to fat", "=echogenicity like that of fat"),
        ),
        "heterogeneous": (
            *("heterogeneous", "heterogeneously echoic", "=heterogeneous echogenicity"),
            *("inhomogeneous", "=mixed echogenicity", "=uneven echotexture"),
            *("=heterogeneous echo pattern", "=heterogeneous internal echoes", "=mixed echoes"),
        ),
    },
    "posterior": {
        "none": (  # what is denied
            *("posterior features", "posterior acoustic features", "posterior phenomena"),
            *("posterior shadowing or enhancement", "posterior enhancement or shadowing"),
            *("posterior acoustic changes", "posterior effect", "shadowing or enhancement"),
            *("shadowing", "enhancement", "posterior shadowing", "posterior enhancement"),
            *("=posterior features: none", "=posterior: none", "=neither shadow nor enhancement"),
            *("=unchanged sound transmission", "=posterior features none", "acoustic shadow"),
        ),
        "enhancement": (
            *("posterior enhancement", "posterior acoustic enhancement", "enhancement"),
            *("through-transmission", "increased through transmission", "distal enhancement"),
            *("good through-transmission", "=posterior features: enhancement", "=bright behind"),
            *("a bright band behind it", "acoustic enhancement", "retrotumoral enhancement"),
            "enhancement behind the lesion",
        ),
        "shadowing": (
            *("posterior shadowing", "posterior acoustic shadowing", "shadowing"),
            *("acoustic shadow", "a posterior shadow", "distal shadowing", "an acoustic shadow"),
            *("shadow behind the mass", "=posterior features: shadowing", "=casts a shadow"),
            *("attenuation of the beam behind it", "=dark behind", "a dark band below"),
        ),
        "combined": (
            *("combined posterior features", "a combined posterior pattern"),
            *("mixed posterior features", "both posterior shadowing and enhancement"),
            *("posterior enhancement and shadowing", "=posterior features: combined"),
            *("shadowing as well as enhancement", "a combined pattern of posterior features"),
        ),
    },
    "halo": {  # the same nouns, present or denied
        "yes": (
            *("echogenic halo", "an echogenic halo", "halo", "a halo", "hyperechoic halo"),
            *("bright rim", "echogenic rim", "a hyperechoic rim", "a bright halo around it"),
            *("surrounding halo", "a white rim", "thick echogenic halo"),
        ),
    },
    "calcification": {
        "none": (  # what is denied
            *("calcifications", "microcalcifications", "calcification", "calcium"),
            *("micro-calcifications", "calcific foci", "macrocalcifications"),
            *("=calcifications: none", "=calcifications none", "intralesional calcifications"),
        ),
        "in_a_mass": (
            *("calcifications in the mass", "intralesional calcifications", "calcifications"),
            *("calcifications in a mass", "microcalcifications", "internal calcifications"),
            *("microcalcifications within the lesion", "bright specks inside the mass"),
            *("punctate calcifications inside the mass", "=calcified", "echogenic foci in it"),
        ),
        "outside_a_mass": (
            *("calcifications outside the mass", "calcifications outside a mass"),
            *("microcalcifications outside of the lesion", "calcifications around the mass"),
            *("calcifications in the tissue next to the mass", "extralesional calcifications"),
        ),
        "intraductal": (
            *("intraductal calcifications", "calcifications in a duct", "ductal calcifications"),
            *("intraductal microcalcifications", "calcifications within the ducts"),
        ),
    },
}

CLAUSES: dict[str, tuple[str, ...]] = {  # a colon marks the ones for a structured report
    "pathology": (
        *("{}", "{} mass", "pathology: {}", "diagnosis: {}", "class: {}", "it is {}"),
        *("assessed as {}", "{} on biopsy", "label {}", "impression: {}", "the lesion is {}"),
    ),
    "birads": (
        *("BI-RADS {}", "BIRADS {}", "BI-RADS category {}", "BIRADS category {}", "birads: {}"),
        *("Bi-Rads {}", "BI-RADS: {}", "assessment: BI-RADS {}", "category {}", "(BI-RADS {})"),
        *("ACR BI-RADS {}", "bi rads {}", "assessment: {}", "BI-RADS assessment {}", "BR {}"),
    ),
    "tissue": (
        *("in {}", "{}", "background: {}", "tissue composition: {}", "the background is {}"),
        *("surrounded by {}", "against {}", "within {}", "breast composition: {}", "tissue: {}"),
    ),
    "shape": (
        *("{}", "{} shape", "{} in shape", "shape is {}", "shape: {}", "the shape is {}"),
        *("it is {}", "it has {} shape", "appears {}", "shape {}", "with {} shape", "form: {}"),
    ),
    "orientation": (
        *("{}", "{} orientation", "orientation: {}", "orientation is {}", "oriented {}"),
        *("it is {}", "its axis is {}", "orientation {}", "lies {}", "with {} orientation"),
    ),
    "margin": (
        *("{}", "{} margins", "{} margin", "with {} borders", "margins are {}", "margin: {}"),
        *("its edges are {}", "{} outline", "{} contour", "{} boundary", "margins {}"),
        *("the border is {}", "boundary: {}", "its margins are {}", "{} edge", "margins: {}"),
    ),
    "echo_pattern": (
        *("{}", "{} echo pattern", "echo pattern: {}", "echogenicity: {}", "echotexture is {}"),
        *("it is {}", "appears {}", "echo pattern is {}", "{} interior", "{} echotexture"),
        *("internal echoes: {}", "inside it is {}", "echoes {}", "with {} content"),
    ),
}
PRESENT = (
    *("{}", "with {}", "there is {}", "{} is seen", "{} present", "{} is present", "{}: yes"),
    *("has {}", "shows {}", "{} noted", "there are {}", "{} seen", "{} +", "showing {}", "and {}"),
    *("{}: present", "{} yes", "having {}", "{} visible", "{} can be seen", "demonstrates {}"),
)
ABSENT = (
    *("no {}", "without {}", "{} absent", "{} is absent", "absence of {}", "no evidence of {}"),
    *("{} not seen", "{} is not present", "{}: no", "{}: none", "lacks {}", "with no {}"),
    *("there is no {}", "there are no {}", "no {} seen", "no {} is seen", "negative for {}"),
    *("{}: absent", "{} none", "no {} present", "does not show {}", "{} are not seen"),
    *("does not have {}", "no visible {}", "not associated with {}", "no sign of {}"),
)
LEADS = (
    *("", "", "", "", "there is a", "ultrasound shows a", "a", "the scan demonstrates a"),
    *("breast ultrasound image of a", "draw a", "image of a", "sonogram: a", "we see a"),
    *("generate an ultrasound image with a", "US:", "findings:", "in the breast there is a"),
)
MASSES = (
    "mass",
    "lesion",
    "nodule",
    "tumor",
    "tumour",
    "solid mass",
    "focal lesion",
    "lump",
    "neoplasm",
)
JOINERS = (", ", ", ", ". ", ". ", "; ", " ", " and ", ", and ", "\n", " - ", " with ", " / ")
ASIDES = (
    *("left breast", "right breast", "upper outer quadrant", "patient is {n} years old"),
    *("at {d} o'clock", "{d} cm from the nipple", "{n}-year-old woman", "linear {n} MHz probe"),
    *("palpable lump", "follow-up in {d} months", "biopsy recommended", "image {d} of {n}"),
    *("no axillary lymphadenopathy", "no skin thickening", "architectural distortion"),
    *("no internal vascularity", "vascularity on Doppler", "{d} mm deep", "stable since {y}"),
    *("no change since {y}", "depth {d} cm", "homogeneous echogenicity", "no family history"),
    *("scanned with a curved probe", "size unchanged", "age {n}", "slice {d}"),
    *("ultrasound image", "suspicious", "not compressible", "mobile", "compared with {y}"),
    *("skin thickening", "no lymph nodes", "right side, {d} o'clock position", "retroareolar"),
    *("not painful", "without nipple discharge", "patient without symptoms", "gain {n} dB"),
)
SIZES = (
    *("{w} x {h} mm", "measuring {w} x {h} mm", "size {w} by {h} mm", "{w} mm", "about {w} mm"),
    *("{c} x {e} cm", "size: {w} x {h} mm", "of {c} cm", "{w} × {h} mm in size", "({w} mm)"),
    *("{w} mm in diameter", "measures {d} mm", "{d} mm", "{d} x {d} cm", "{d} cm mass"),
)
