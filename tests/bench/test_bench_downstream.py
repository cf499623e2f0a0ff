"""The benchmark downstream: refused without data; its counts and times on a comparison in hand."""

from dataclasses import asdict, replace

import pytest

from busgen.bench import harness
from busgen.bench.downstream import benchmark
from busgen.code import ROOT
from busgen.downstream.arms import BASE, PRIMARY
from busgen.downstream.models.registry import TASKS
from busgen.downstream.runs import RECORD
from busgen.errors import UserError
from busgen.io import ASSETS, dumps, read_json, write_text

SETS = ("breast", "bus_bra", "busi")


def test_missing_data_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("BUSGEN_REAL", str(tmp_path))
    with pytest.raises(UserError, match=r"got no BrEaST in .*: set BUSGEN_REAL"):
        harness.run("downstream")


def one(task, train, arm, gain, *, test=None, half=0.02):
    """Return a result whose gain has an interval of `gain` -+ `half`."""
    score = {"value": 0.8, "interval": [0.7, 0.9], "patients": 40}
    result = {"value": gain, "interval": [gain - half, gain + half]}
    metric = {"classification": "auc", "segmentation": "dice"}[task]
    return {"task": task, "train": train, "test": test or train, "arm": arm, "gain": result,
            "metrics": {metric: score}}  # fmt: skip


@pytest.fixture
def results():
    """Return results: Dice gains .03, .01, .05 of the primary arm, AUC gains of two sets alone."""
    dice = zip(SETS, (0.03, 0.01, 0.05), strict=True)
    found = [one("segmentation", name, PRIMARY, gain) for name, gain in dice]
    found += [one("segmentation", name, "synthetic", -gain)
              for name, gain in zip(SETS, (0.05, 0.12, 0.02), strict=True)]  # fmt: skip
    found += [one("classification", name, PRIMARY, -0.01) for name in SETS[:2]]
    found += [one("classification", SETS[0], "synthetic", 0.01)]
    base = one("segmentation", "busi", BASE, 0)
    base.pop("gain")
    return [*found, base, one("segmentation", "busi", PRIMARY, 0.5, test="breast")]


def test_a_training_set_counts_where_its_whole_interval_is_above_zero(results):
    ways = dict.fromkeys(TASKS, PRIMARY)
    result = benchmark.measure_gains(results, ways, "gain", "claim_a")
    assert (result["claim_a_above_zero"].value, result["claim_a_above_zero"].n) == (2, 5)
    assert (result["claim_a_below_zero"].value, result["gain_dice_busi"].n) == (0, 40)
    assert result["gain_dice_bus_bra"].interval == pytest.approx((-0.01, 0.03))
    assert result["gain_dice_busi"].value == 0.05  # not of another set's patients


def test_the_gap_is_of_the_set_where_synthetic_alone_falls_shortest(results):
    result = benchmark.measure_gaps(results)
    assert result["synthetic_only_dice_gap"] == result["synthetic_only_dice_gap_bus_bra"]
    assert result["synthetic_only_dice_gap"].value == pytest.approx(0.12)
    assert result["synthetic_only_dice_gap"].interval == pytest.approx((0.1, 0.14))
    assert result["synthetic_only_auc_gap"].value == pytest.approx(-0.01)


def test_the_page_shows_what_the_comparison_that_ships_says():
    shipped = read_json(ASSETS / "downstream" / "metrics.json")["results"]
    ways = dict.fromkeys(TASKS, PRIMARY)
    figures = benchmark.measure_gains(shipped, ways, "gain", "claim_a")
    figures |= benchmark.measure_gaps(shipped)
    figures = {name: one for name, one in figures.items() if "claim" not in name}  # not by them
    page = read_json(ROOT / "docs/results/downstream.json")["figures"]
    assert dumps(page) == dumps({name: asdict(figure) for name, figure in figures.items()})


class Job:
    """A training in a folder of its own, four seconds each; `is_done` once it was carried out."""

    def __init__(self, folder) -> None:
        self.folder = folder

    @property
    def is_done(self):
        """Whether it was carried out."""
        return (self.folder / RECORD).is_file()


def test_the_tables_time_holds_what_was_trained_before_it_was_interrupted(tmp_path, monkeypatch):
    jobs = [Job(tmp_path / str(k)) for k in range(5)]
    request = benchmark.Request(tmp_path, tmp_path, tmp_path / "table")

    class Plan:
        """Stands for the plan of these trainings."""

    Plan.jobs = jobs
    monkeypatch.setattr(benchmark, "plan", lambda _: Plan)

    def carry_out(plan, tick, say):
        for job in (job for job in plan.jobs if not job.is_done):
            write_text(job.folder / RECORD, dumps({"seconds": 4.0}))
        return {"results": []}, len(plan.jobs)

    monkeypatch.setattr(benchmark.library, "run", carry_out)
    write_text(jobs[0].folder / RECORD, dumps({"seconds": 10.0}))  # before it was killed
    write_text(tmp_path / benchmark.CLOCK, dumps({"table_other_s": 7.0}))
    result = benchmark.run(replace(request, workers=2), tmp_path)[1]
    assert (result.n, result.value) == (5, pytest.approx((10 + 4 * 4) / 2 + 7))


def test_a_rehearsal_learns_for_some_steps_only():
    size = benchmark._rehearse()
    assert {recipe.steps for recipe in size.recipes.values()} == {2}
    assert {gate.action for gate in size.generate.gates.values()} == {"off"}
    assert size.generate.engine == benchmark.GenerateParams().engine
