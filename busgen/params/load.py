"""The whole of params.yaml, checked.

In: the file. Out: `Params`, all sections.
"""

from pathlib import Path

from busgen.params.base import FILE, Section, check, read_yaml
from busgen.params.downstream import DownstreamParams
from busgen.params.generate import GenerateParams
from busgen.params.priors import PriorsParams
from busgen.params.quality import QualityParams
from busgen.params.real import RealParams
from busgen.params.release import ReleaseParams
from busgen.params.report import ReportParams
from busgen.params.train_images import TrainImagesParams
from busgen.params.train_judges import TrainJudgesParams
from busgen.params.train_masks import TrainMasksParams


class Params(Section):
    """The whole of params.yaml."""

    real: RealParams = RealParams()
    priors: PriorsParams = PriorsParams()
    train_judges: TrainJudgesParams = TrainJudgesParams()
    train_masks: TrainMasksParams = TrainMasksParams()
    train_images: TrainImagesParams = TrainImagesParams()
    generate: GenerateParams = GenerateParams()
    release: ReleaseParams = ReleaseParams()
    quality: QualityParams = QualityParams()
    downstream: DownstreamParams = DownstreamParams()
    report: ReportParams = ReportParams()


def load_params(path: Path = FILE) -> Params:
    """Return the parameters in `path`; a `UserError` names key and value that break a rule."""
    return check(Params, read_yaml(path), str(path))
