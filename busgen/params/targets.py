"""Target marginals as the command line's words."""

from collections.abc import Sequence

from busgen.errors import UserError
from busgen.params.generate import Targets


def parse_targets(words: Sequence[str]) -> Targets:
    """Return target marginals from the command line's words, ``field.term=share`` or a switch.

    ``["margin.spiculated=0.3", "size_matched"]`` -> ``{"margin": {"spiculated": .3},
    "size_matched": True}``.
    """
    targets: Targets = {}
    for word in words:
        key, _, share = word.partition("=")
        name, _, term = key.partition(".")
        if not term and not share:
            targets[name] = True
            continue
        marginal = targets.setdefault(name, {})
        try:
            if not term or isinstance(marginal, bool):
                raise ValueError(word)
            marginal[term] = float(share)
        except ValueError:
            rule = "a target must be field.term=share"
            raise UserError(rule, repr(word), "e.g. --target pathology.malignant=0.5") from None
    return targets
