"""What reports say that no finding holds: understood, left out, and named to the user.

In: nothing. Out: patterns over normalised words. A `REMARK` may stand in the midst of a denial ("no
palpable mass"), an `ASIDE` is what may be denied itself ("no vascularity").
"""

_NUMBER = r"\d+(?:\.\d+)?"
_HOW = r"(?:(?:internal|peripheral|central|increased|prominent|marked|mild|some|thick|thin) )*"
_SIDE = r"(?:left|right|both|bilateral|[lr](?= breast))"
_QUADRANT = r"(?:(?:upper|lower|superior|inferior) )?(?:outer|inner|lateral|medial)"
_ON_DOPPLER = r"(?: (?:on|at|in) (?:power |colou?r )*doppler)?"
_WHICH = r"(?:(?:enlarged|suspicious|abnormal|axillary|intramammary) )*"
_TIME = r"(?:day|week|month|year)s?"

REMARKS = (
    # where
    r"\d{1,2} (?:\d\d )?(?:o ' ?clock|o clock|oclock)(?: position)?",
    rf"{_SIDE}(?: breasts?)?(?: side)?",
    rf"{_QUADRANT}(?: quadrant)?|[ul][oi]q|[lr][ul][oi]q",
    r"(?:retro|sub|peri) ?areolar|axillary tail|upper|lower|central breast",
    rf"{_NUMBER} ?(?:mm|cm) (?:away )?(?:from (?:the )?nipple|fn)|n ?\+ ?\d+",
    # who and when
    r"(?:aged? )?\d{1,3} ?(?:y|yr|yo|year)s?(?: ?o(?:ld)?)?(?: (?:woman|female|patient|lady))?",
    r"woman|female|patient|aged? \d{1,3}|symptomatic|asymptomatic|screening",
    rf"(?:follow ?up|recall|control|repeat)(?: (?:in|after|at) {_NUMBER} {_TIME})?",
    rf"(?:stable|unchanged|new|known|enlarging|growing)(?: since \d{{4}}| over {_NUMBER} {_TIME})?",
    r"(?:core |needle )?(?:biopsy|fna|aspiration)(?: (?:is )?(?:recommended|advised|proven))?",
    r"(?:no )?further (?:work ?up|imaging|evaluation)",
    r"no (?:significant |interval )*change since \d+",
    r"clinical correlation|recommended|advised|proven|biopsied|histologically|please|i want",
    # how it feels, and how large or how many in words
    r"(?:im|non )?palpable|(?:non )?tender|painful|painless|soft|firm|hard",
    r"mobile|movable|fixed|(?:in|non )?compressible",
    r"tiny|small|large|big|huge|deep seated",
    r"single|solitary|two|three|multiple|several|few|many",
    r"(?:lesion|mass|nodule|finding) \d(?= (?!mm|cm|x|by|to|\d))",
    # what else is said of it
    r"ap (?:to )?(?:transverse|trans|t) ratio(?: (?:<|than|of|is))?(?: \d+(?:\.\d+)?)?",
    r"(?:a|hyper|hypo) ?vascular|(?:thin|thick) walled|dense|dirty|clean|obscured",
    r"phyllodes|adenosis|fibrocystic(?: changes?)?",
)
ASIDES = (
    rf"{_HOW}(?:blood )?vasculari(?:ty|[sz]ation){_ON_DOPPLER}",
    rf"{_HOW}(?:blood|colou?r|doppler) flow{_ON_DOPPLER}",
    r"(?:on |at )?(?:power |colou?r )*doppler(?: signal)?",
    r"(?:on |at )?(?:strain |shear ?wave )?elastography|stiffness",
    r"(?:associated )?architectural distortion|abrupt interface|desmoplastic reaction",
    r"skin (?:thickening|retraction|changes?|involvement)|o?edema",
    r"nipple (?:retraction|discharge|inversion)",
    r"duct(?:al)? (?:ectasia|changes?|dilatation)|(?:dilated|ectatic) ducts?",
    rf"{_WHICH}(?:lymph ?nodes?|lymphadenopathy|adenopathy|nodes)|(?:fatty |echogenic )?hilum",
    r"(?:(?:bilateral|lateral|refractive|refraction|thin) )*edge (?:shadow(?:s|ing)?|artifacts?)",
    r"(?:(?:thin|thick|imperceptible|smooth|irregular) )*(?:walls?|septa|septations?|capsule)",
    r"(?:internal )?debris|mural nodules?|fluid(?: debris)? level",
    r"cooper ' ?s? ligaments?|(?:pectoral|chest wall) (?:muscle|invasion)",
    r"satellite (?:lesions?|nodules?)|multifocal(?:ity)?",
    r"(?:low level )?(?:internal )?echoes(?: inside)?",
)
