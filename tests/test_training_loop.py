"""The training loop's patience: it stops, gives the best averages, and resumes to the same end."""

import json

import pytest
import torch
from torch import nn

from busgen.errors import DataError, UserError
from busgen.training_loop import CHECKPOINT, LOG, Schedule, train

PACE = Schedule(steps=40, batch=1, rate=0.1, validate=2, keep=3, patience=3, average=0.0, warmup=0)


class Falling:
    """Held-out losses that are given; what is learned is how many steps were taken."""

    device = torch.device("cpu")
    averaged_modules = ("net",)

    def __init__(self, losses) -> None:
        self.losses = losses
        self.modules = {"net": nn.Linear(1, 1, bias=False)}
        self.optimisers = {}
        nn.init.zeros_(self.modules["net"].weight)

    def training_step(self, step, draws, pace):
        """Count a step."""
        with torch.no_grad():
            self.modules["net"].weight += 1
        return {"loss": 1.0}

    def validate(self, mean, step):
        """Return the loss that was given for this look."""
        return {"validation_loss": self.losses[step // 2 - 1]}


LOSSES = [5.0, 4.0, 4.5, 3.0, 3.1, 3.2, 3.3, *[1.0] * 20]


class KilledError(Exception):
    """What stops a training in the middle."""


def steps_of(net):
    return round(float(net.weight))


def test_it_stops_when_patience_ends_with_the_best_averages(tmp_path):
    generated = train(Falling(LOSSES), PACE, tmp_path)["net"]
    last = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert last["step"] == 14  # three looks after the best, at 8
    assert steps_of(generated) == 8


@pytest.mark.parametrize("after", [1, 7, 9, 13])
def test_killed_it_ends_with_the_same_best(tmp_path, after):
    seen = [0]

    def tick(count):
        seen[0] += count
        if seen[0] > after:
            raise KilledError

    with pytest.raises(KilledError):
        train(Falling(LOSSES), PACE, tmp_path, tick)
    assert steps_of(train(Falling(LOSSES), PACE, tmp_path)["net"]) == 8


def test_a_loss_of_held_out_patients_that_is_no_number_ends_it(tmp_path):
    with pytest.raises(DataError, match="validation_loss must be finite, got nan at step 4"):
        train(Falling([5.0, float("nan")]), PACE, tmp_path)
    assert "NaN" not in "".join(path.read_text() for path in tmp_path.glob(LOG))


def test_what_has_ended_is_not_learned_on(tmp_path):
    train(Falling(LOSSES), PACE, tmp_path)
    counted = []
    again = train(Falling(LOSSES), PACE, tmp_path, counted.append)["net"]
    assert steps_of(again) == 8
    assert counted == [14]


def test_a_checkpoint_of_another_training_or_a_broken_one_is_refused(tmp_path):
    train(Falling(LOSSES), PACE, tmp_path, key="one")
    with pytest.raises(UserError, match="this training's checkpoint, or none"):
        train(Falling(LOSSES), PACE, tmp_path, key="two")
    (tmp_path / CHECKPOINT).write_bytes(b"broken")
    with pytest.raises(DataError, match="a checkpoint must be whole"):
        train(Falling(LOSSES), PACE, tmp_path, key="one")


def test_without_patience_the_last_averages_are_given(tmp_path):
    from dataclasses import replace

    generated = train(Falling(LOSSES), replace(PACE, patience=0), tmp_path)["net"]
    assert steps_of(generated) == 40
