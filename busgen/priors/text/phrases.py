"""Phrases of the BI-RADS lexicon and their synonyms, as reports write them.

A phrase is a regular expression over lower-case words (hyphens are spaces), the field it speaks of
and the terms it leaves possible; the longest phrase wins. No terms: known to be ambiguous. What no
finding holds has `REMARK` or `ASIDE` in the field's place.
"""

import re

from busgen.priors.text.remarks import ASIDES, REMARKS

_ANY_POSTERIOR = ("enhancement", "shadowing", "combined")
_ANY_CALCIFICATION = ("in_a_mass", "outside_a_mass", "intraductal")
_FAT = ("homogeneous_fat",)
_EVEN = ("anechoic", "hyperechoic", "hypoechoic", "isoechoic")
ASIDE, REMARK = "aside", "remark"  # in the place of a field: what no finding holds
_SOLID = ("hyperechoic", "hypoechoic", "isoechoic", "heterogeneous")

_MASS = r"(?:mass(?:es)?|lesions?|tumou?rs?|nodules?|lumps?|neoplasms?|structure)"
_EDGE = (
    r"(?:margins?|marginated|margined|borders?|edges?|outlines?|contours?|boundar(?:y|ies)|limits)"
)
_GRAINS = r"(?:(?:punctate|coarse|fine|tiny|scattered|clustered|grouped|pleomorphic|bright) )*"
_CALC = (
    rf"{_GRAINS}(?:(?:micro|macro) ?)?(?:calcifications?|calcium|calci(?:fic|fied) (?:foci|specks))"
)
_HALO = (
    r"(?:(?:thick|thin|bright(?:ly)?|white|echogenic|hyperechoic|perilesional|surrounding) )*"
    r"(?:border )?(?:halo|rim|rind)(?: sign)?"
)
_BEHIND = (
    r"(?:(?:partial|dense|strong|marked|mild|good|increased|enhanced|slight|posterior|distal|dorsal"
    r"|acoustic|sound|retrotumou?ral) )*"
)
_SHADOW = (
    rf"{_BEHIND}(?:shadow(?:ing|s|ed)?|attenuat(?:ion|ing))(?: posteriorly)?"
    r"|(?:a )?dark (?:band )?(?:behind|below)"
)
_BRIGHTER = (
    rf"{_BEHIND}(?:enhancement(?: posteriorly)?|(?:through|thru) ?transmission)"
    r"|increased (?:sound )?transmission|(?:a )?bright (?:band )?(?:behind|below)"
)
_FEATURES = r"posterior (?:acoustic )?(?:features?|phenomen(?:a|on)|patterns?|effects?|acoustics)"
_UNDENIED = r"(?<!no )(?<!without )(?<!or )(?<!nor )(?<!neither )"
_FROM = r"(?:away )?(?:from|below|under|beneath|deep to)"
_BREAST = r"(?: (?:breasts?|background|tissues?|parenchyma|surroundings|echotexture|composition))"
_OF_TISSUE = (
    r"(?:(?:breast |background )?tissue composition|breast composition"
    r"|background(?: echotexture| tissue)?)"
)
_SEEN = "seen|present|noted|identified|visuali[sz]ed|visible|evident|detected|demonstrated|found"
PRESENT = rf"(?:(?:been|clearly|definitely) )?(?:{_SEEN})"  # after "not": a denial that follows
_BIRADS = r"(?:bi ?rads|br|category)(?: category| score| assessment)?"
_NOTHING = (
    r"(?:(?:discrete|focal|suspicious|sonographic|definite|dominant|solid|cystic|or|evidence|of|and)"
    rf" )*(?:{_MASS}|abnormalit(?:y|ies)|cysts?)"
)
_OR_NOTHING = (  # what a list that denies any lesion goes on with
    rf"(?: ,)?(?: (?:or|nor))? (?:{_NOTHING}|area of (?:posterior )?shadowing|fluid collection)"
)
_BENIGN = r"fibroadenomas?|lipoma|hamartoma|papilloma|abscess|haematoma|hematoma|fat necrosis"
_CANCER = (
    r"malignan(?:t|cy)|cancer(?:ous)?"
    r"|(?:invasive )?(?:(?:ductal|lobular) )?(?:adeno)?carcinoma(?: in situ)?"
)
_TEXTURE = r"(?: (?:internal )?(?:echo ?(?:texture|genicity|genic|pattern|es)|echoic))"

PHRASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (rf"benign|{_BENIGN}", "pathology", ("benign",)),
    (_CANCER, "pathology", ("malignant",)),
    (rf"normal{_BREAST}*|unremarkable|negative(?! for)|nothing abnormal", "pathology", ("normal",)),
    (rf"no {_NOTHING}(?:{_OR_NOTHING})*", "pathology", ("normal",)),
    (_MASS, "pathology", ("benign", "malignant")),
    *((rf"{_BIRADS} {n}", "birads", (n,)) for n in ("1", "2", "3", "5")),
    *((rf"{_BIRADS} 4 ?{n}", "birads", (f"4{n}",)) for n in "abc"),
    *((rf"4 {n}(?= [,.;]|$)", "birads", (f"4{n}",)) for n in "abc"),
    (rf"{_BIRADS} 4", "birads", ("4a", "4b", "4c")),
    (
        rf"(?:{_OF_TISSUE} )?homogeneous(?:ly)?{_BREAST}*(?: ,)? (?:fat(?:ty)?|adipose){_BREAST}*",
        "tissue",
        _FAT,
    ),
    (
        rf"(?:(?:predominantly|mostly|almost|entirely) )*(?:fat(?:ty)?|adipose){_BREAST}+",
        "tissue",
        _FAT,
    ),
    (
        rf"(?:{_OF_TISSUE} |homogeneous |background |echotexture |, |dense )*"
        rf"(?:fibro)?glandular(?:{_BREAST})+|(?:{_OF_TISSUE} )?homogeneous(?:ly)?{_BREAST}*(?: ,)?"
        rf" fibroglandular{_BREAST}*",
        "tissue",
        ("homogeneous_fibroglandular",),
    ),
    (rf"heterogeneous(?: breast| background| tissue){_BREAST}*", "tissue", ("heterogeneous",)),
    (rf"heterogeneous{_BREAST}+|mixed fatty and glandular{_BREAST}*", "tissue", ("heterogeneous",)),
    (rf"{_OF_TISSUE} heterogeneous{_BREAST}*", "tissue", ("heterogeneous",)),
    (
        rf"(?:{_OF_TISSUE} )?heterogeneous predominantly (?:fat(?:ty)?|fibroglandular){_BREAST}*",
        "tissue",
        ("heterogeneous",),
    ),
    (
        r"oval|ovoid|ovular|ellip(?:tical|soid|soidal|se like)|egg shaped"
        r"|(?:gently |macro ?)lobulated",
        "shape",
        ("oval",),
    ),
    (r"round(?:ed|ish)?|circular|spheric(?:al)?", "shape", ("round",)),
    (r"irregular(?:ly (?:shaped|formed)| form)?|amorphous|unregular", "shape", ("irregular",)),
    (
        r"parallel|wider than (?:it is )?(?:tall|high)|horizontal(?:ly)?|lies flat",
        "orientation",
        ("parallel",),
    ),
    (
        r"(?:non|anti) ?parallel|taller than (?:it is )?(?:wide|broad)|vertical(?:ly)?"
        r"|perpendicular to the skin|upright",
        "orientation",
        ("not_parallel",),
    ),
    (
        r"(?:(?:well|sharply|smoothly) )?circumscribed|(?:well|sharply|clearly|smoothly) "
        r"(?:defined|demarcated|delineated|marginated)|smooth(?:ly)?|encapsulated"
        rf"|(?:regular|clear|sharp|distinct|crisp) {_EDGE}"
        rf"|{_EDGE} (?:is |are )?(?:regular|clear|sharp)",
        "margin",
        ("circumscribed",),
    ),
    (
        r"indistinct(?:ly defined)?|(?:ill|poorly|badly|not well|not clearly|not sharply) "
        r"(?:defined|demarcated|delineated|circumscribed)|blurr(?:ed|y)|fuzzy|vague"
        rf"|unclear(?: {_EDGE})?",
        "margin",
        ("indistinct",),
    ),
    (
        r"angular|angulated?|(?:sharply )?angled|sharp (?:corners|angles)|jagged",
        "margin",
        ("angular",),
    ),
    (
        r"micro ?lobul(?:ated|ations?|ar)|finely lobulated|small lobulations|scalloped",
        "margin",
        ("microlobulated",),
    ),
    (
        r"spiculat(?:ed?|ions?)|(?:radiating )?(?:spicules|lines)|spicular|spiky|stellate"
        r"|star shaped",
        "margin",
        ("spiculated",),
    ),
    (
        r"anechoic|anechogenic|echo free|fluid filled|(?:simple |oil )?cyst(?:ic|s)?"
        r"|(?:no|without) (?:internal )?echoes(?: inside)?|black",
        "echo_pattern",
        ("anechoic",),
    ),
    (
        r"hyper ?echo(?:ic|genic(?:ity)?)|echogenic|bright(?:er than fat)?|white",
        "echo_pattern",
        ("hyperechoic",),
    ),
    (
        r"(?:complex |mixed )?(?:cystic (?:and )?solid|solid (?:and )?cystic)|complex cyst(?:ic)?"
        r"|part(?:ly|ially) (?:cystic|solid)(?: ,| and)* part(?:ly|ially) (?:cystic|solid)"
        r"|part(?:ly|ially) cystic|fluid and solid|solid and fluid"
        rf"|cyst(?:ic)?(?: {_MASS})? with (?:an? )?solid (?:components?|parts?|elements?)",
        "echo_pattern",
        ("complex_cystic_solid",),
    ),
    (r"solid", "echo_pattern", _SOLID),
    (
        r"(?:markedly |mildly )?hypo ?echo(?:ic|genic(?:ity)?)|dark(?:er than fat)?"
        rf"|(?:low|reduced){_TEXTURE}",
        "echo_pattern",
        ("hypoechoic",),
    ),
    (
        r"iso ?echo(?:ic|genic(?:ity)?)|same echogenicity as fat|as bright as fat",
        "echo_pattern",
        ("isoechoic",),
    ),
    (
        rf"(?:heterogene?ous|inhomogeneous)(?:ly)?{_TEXTURE}*|(?:mixed|uneven){_TEXTURE}",
        "echo_pattern",
        ("heterogeneous",),
    ),
    (
        r"heterogene?ous(?:ly)? hypo ?echo(?:ic|genic)",
        "echo_pattern",
        ("hypoechoic", "heterogeneous"),
    ),
    (rf"homogeneous(?:ly)?{_TEXTURE}*", "echo_pattern", _EVEN),
    (_SHADOW, "posterior", ("shadowing",)),
    (_BRIGHTER, "posterior", ("enhancement",)),
    (
        rf"(?:combined|mixed) {_FEATURES}|{_FEATURES} combined|(?:combined|mixed) posterior pattern"
        rf"|{_UNDENIED}(?:both )?(?:{_SHADOW}) (?:and|with|plus|as well as) (?:{_BRIGHTER})"
        rf"|{_UNDENIED}(?:both )?(?:{_BRIGHTER}) (?:and|with|plus|as well as) (?:{_SHADOW})"
        r"|combined pattern",
        "posterior",
        ("combined",),
    ),
    (_FEATURES, "posterior", _ANY_POSTERIOR),
    (
        rf"(?:{_FEATURES}|posterior) (?:none|no(?: change)?|neutral|unchanged)(?= [,.;]|$)"
        rf"|(?:no|neutral) {_FEATURES}"
        r"|no posterior (?:acoustic )?changes?|unchanged (?:sound |through )?transmission",
        "posterior",
        ("none",),
    ),
    (r"hypo ?echoic (?:halo|rim)", "halo", ()),
    (rf"{_HALO}(?:(?: is)? (?:present|seen|yes))?", "halo", ("yes",)),
    (rf"{_CALC}(?:(?: are)? (?:present|seen))?", "calcification", _ANY_CALCIFICATION),
    (
        rf"(?:intra ?lesional|intra ?tumou?ral|internal) {_CALC}|(?:containing|contains) {_CALC}"
        rf"|{_CALC}(?: (?:are )?(?:{_SEEN}))? (?:in|within|inside)(?: (?:a|the|its) {_MASS}"
        rf"|(?= (?:\S+ ){{0,4}}?{_MASS}))"
        r"|(?:internal )?(?:punctate )?echogenic foci(?: in it)?|bright specks|calcified",
        "calcification",
        ("in_a_mass",),
    ),
    (
        rf"{_CALC} (?:lying |located )?(?:in the tissue )?(?:outside|around|next to)(?: of)?"
        rf"(?: (?:a|the) {_MASS}|(?= (?:\S+ ){{0,4}}?{_MASS}))|extra ?lesional {_CALC}",
        "calcification",
        ("outside_a_mass",),
    ),
    (
        rf"(?:intra ?)?ductal {_CALC}"
        rf"|{_CALC} (?:intra ?ductal|(?:in|within|inside) (?:a |the )?(?:milk )?ducts?)",
        "calcification",
        ("intraductal",),
    ),
    *((pattern, REMARK, ("said",)) for pattern in REMARKS),
    *((pattern, ASIDE, ("said",)) for pattern in ASIDES),
    # places, not sizes: known to be none of the above
    (rf"{_FROM} (?:the )?(?:skin|nipple|areola|chest wall|surface)", "center_y", ()),
)
REWRITTEN = (  # before phrases are looked for
    (re.compile(rf"\bnon circumscribed|\birregular(?= {_EDGE}\b)"), "not circumscribed"),
    (
        re.compile(
            r" (?:relative |compared |in relation )?(?:to|with) (?:the )?(?:subcutaneous )?fat\b"
        ),
        "",
    ),
    (re.compile(r"\b(?:part(?:ly|ially)|mostly|largely) circumscribed"), "not circumscribed"),
)
