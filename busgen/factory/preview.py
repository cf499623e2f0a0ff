"""What a plan comes to before it is made: findings by stratum, time, size; for `--dry-run`.

In: a `Plan`. Out: a record. A few of its samples are really made, in a folder that goes at once.
"""

import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busgen import io
from busgen.factory.plan import Plan, draw_findings, to_record
from busgen.factory.rounds import plan_round
from busgen.factory.shard import FIRST, load_tools, run_shard
from busgen.priors.network import make_prior
from busgen.priors.request import parse_request

DRAWN = 2000  # findings at most that are counted: of more, these stand for all


def preview(plan: Plan) -> dict[str, Any]:
    """Return what `plan` comes to.

    ``understood`` conditions and targets as they were read; ``strata`` {pathology: {shape: n}} of
    ``counted`` findings (families have one count for each member); ``seconds`` and ``bytes`` of all
    findings, each tried once, from ``tried`` that were made on this machine in ``tried_seconds``.
    """
    request = plan.request
    asked = parse_request(request.where, request.text, request.targets)
    counted = range(min(request.n, DRAWN))
    findings = draw_findings(plan, make_prior(plan.resolution.prior), asked, tuple(counted), 0)
    strata: dict[str, Counter[str]] = {}
    for finding in findings:
        strata.setdefault(finding.pathology, Counter())[finding.shape or "no lesion"] += 1
    tried, seconds, size = _try(plan)
    return {
        "understood": [str(condition) for condition in asked.where],
        "counted": len(findings),
        "strata": {name: dict(shapes.most_common()) for name, shapes in strata.items()},
        "tried": tried,
        "tried_seconds": seconds,
        "seconds": seconds * request.n / tried,
        "bytes": round(size * request.n / tried),
    }


def _try(plan: Plan) -> tuple[int, float, int]:
    """Return how many findings were made once, the seconds they took, their bytes."""
    request = plan.request
    tried = min(FIRST, request.n)
    with TemporaryDirectory(prefix="busgen-") as folder:
        work = Path(folder)
        io.write_text(work / "plan.json", io.dumps(to_record(plan)))
        (work / "shards").mkdir()
        (spec,) = plan_round(plan, work, 0, range(tried))
        load_tools(spec.tools)
        start = time.perf_counter()
        run_shard(spec)
        return tried, time.perf_counter() - start, spec.path.stat().st_size
