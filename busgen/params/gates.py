"""Bounds of each sample's scores, and what leaving them means.

In: the key `gates` of a section. Out: `Gate` by score.
"""

from typing import Literal

from busgen.params.base import Bounds

Action = Literal["reject", "flag", "off"]


class Gate(Bounds):
    """Bounds of a sample's score, and what leaving them means.

    A gate that real images taught has a second action, `out_of_domain`: what it does to an image
    whose like it was not taught by, because its engine learned from no image
    (`busgen.images.engines.UNTAUGHT`) or no training patient was seen by such a scanner
    (`busgen.gates.scores.UNSEEN`). None stands for `action`.
    """

    action: Action = "reject"
    out_of_domain: Action | None = None

    def action_for(self, *, taught: bool) -> Action:
        """Return the action on an image, by whether the gate was taught by its like."""
        return self.action if taught else self.out_of_domain or self.action


# compatible with what real images calibrate (`gates.calibration.bounds`); judges' bounds are these
DEFAULT_GATES = {
    "mask_error": Gate(max=0.1),
    "grey_sd": Gate(min=15.0),
    "saturated": Gate(max=0.03),
    "sharpness": Gate(min=0.05),
    "overlay": Gate(max=25.0, out_of_domain="flag"),
    "anomaly": Gate(max=2.14, out_of_domain="flag"),
    "orientation_check": Gate(min=1.79, out_of_domain="flag"),
    "contrast": Gate(min=0.0),
    "intensity": Gate(max=1.71, out_of_domain="flag"),
    "descriptor_agreement": Gate(action="flag", min=-1.21),
    "mask_agreement": Gate(action="flag", min=0.25),
    "boundary_distance": Gate(action="flag", max=0.423),
    "mask_fit": Gate(min=-2.53, out_of_domain="flag"),
    "label_confidence": Gate(min=0.047),
    "copy_similarity": Gate(max=0.653),
    "duplicate_distance": Gate(min=4.0),
}
