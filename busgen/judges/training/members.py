"""Members of the ensembles, each trained in a process of its own with one thread.

In: jobs. Out: averaged weights in the job's file. Two networks side by side use two cores better
than one network with two threads: none waits for the other, and sums keep their order.
"""

import multiprocessing
import shutil
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from safetensors.torch import save_file

from busgen.compute.threads import compute_alone
from busgen.errors import BusgenError
from busgen.io import replace_file
from busgen.judges.judges import ClassifierSpec
from busgen.judges.training.fit import Member, train
from busgen.real.crops import load_crops
from busgen.training_loop import Tick


@dataclass(frozen=True)
class Job:
    """One member to train: what from (`save_crops`' folder), how, and where its weights go.

    `n` is the number of crops it looks at, over all epochs.
    """

    name: str
    member: Member
    seed: int
    crops: Path
    work: Path
    n: int

    @property
    def weights(self) -> Path:
        """The file of the finished weights."""
        return self.work / f"{self.name}.safetensors"


def run(job: Job, tick: Tick) -> None:
    """Write the weights of a member, trained in a process of its own, unless they are there.

    A killed job goes on from its last epoch. `tick` gets the number of crops seen, in steps. Raises
    `BusgenError` if the process ended without weights.
    """
    if job.weights.is_file():
        tick(job.n)
    else:
        context = multiprocessing.get_context("spawn")
        told, tells = context.Pipe(duplex=False)
        process = context.Process(target=_train, args=(job, tells), name=job.name)
        process.start()
        tells.close()
        with told, suppress(EOFError):
            while True:
                tick(told.recv())
        process.join()
        if process.exitcode != 0 or not job.weights.is_file():
            raise BusgenError(f"training of {job.name} ended with code {process.exitcode}")


def _train(job: Job, tells: Connection) -> None:
    """Train in this process; it ends when nobody listens any more: the pipe breaks."""
    compute_alone()
    fit_member(job, tells.send)


def fit_member(job: Job, tick: Tick) -> None:
    """Write the weights of a member, trained in this process."""
    crops = load_crops(job.crops)
    if isinstance(job.member.spec, ClassifierSpec):
        crops = crops.pick(crops.is_labelled)
    checkpoints = job.work / f"{job.name}.checkpoints"
    weights = train(job.member, crops, job.seed, checkpoints, tick)
    with replace_file(job.weights) as partial:
        save_file({key: value.contiguous() for key, value in weights.items()}, partial)
    shutil.rmtree(checkpoints)
