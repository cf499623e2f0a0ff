# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # An engineer's pipeline: own data, own prior, versions
#
# **SYNTHETIC DATA - NOT FOR CLINICAL USE.** From a folder of real images, as one of the public
# datasets is laid out, to releases that follow its patients. `SOURCE` names the folder; nothing
# of its pixels enters a release.

# %%
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from busgen.io import dumps, write_text
from busgen.params.priors import PriorsParams
from busgen.priors.fitting.checks import fit_and_check
from busgen.priors.fitting.lesions import COLUMNS
from busgen.priors.network import PUBLISHED, load_prior, save_prior
from busgen.real.cohort import find_cohort, find_tables, has_usable_label, read_rows

SOURCE = Path(os.environ.get("BUSGEN_REAL", "data/raw")) / "BrEaST"
OUT = Path("engineer")
N = 60


def busgen(*words: object) -> str:
    """Run a command as on the command line, and return what it prints."""
    command = [sys.executable, "-m", "busgen", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# %% [markdown]
# ## Own data
#
# Read, clean, cluster and split. The split of a patient follows from its cluster's name: it stays
# when data is added.

# %%
told = json.loads(busgen("real", f"breast={SOURCE}", "--out", OUT / "real", "--json"))
sorted(told)

# %% [markdown]
# ## Own prior
#
# The pipeline's stage `priors` does this with the parameters of `params.yaml`. Here the same
# functions are called: rows of training patients, a base whose structure is kept, weights by
# source.

# %%
columns = [name for name in COLUMNS if name != "cluster_id"]  # which the cohort adds
tables, cohort = find_tables(OUT / "real"), find_cohort(OUT / "real")
rows = list(read_rows(tables, cohort, columns=columns, usable=has_usable_label))
pooling = PriorsParams(weights={"published": 20.0, "breast": 1.0})
prior, checks = fit_and_check(rows, load_prior(PUBLISHED), pooling, name="ours")
save_prior(prior, OUT / "prior.json")
write_text(OUT / "prior.checks.json", dumps(checks))
checks["fit"]["sources"]

# %% [markdown]
# ## A release that follows it
#
# Parameters have the form of `params.yaml`; what is left out has its default.

# %%
parameters = {"generate": {"n": N, "seed": 7, "prior": str(OUT / "prior.json")}}
(OUT / "params.yaml").write_text(yaml.safe_dump(parameters))
busgen("generate", "--params", OUT / "params.yaml", "--out", OUT / "first")
busgen("verify", OUT / "first")

# %% [markdown]
# ## Versions
#
# Change one thing, and ask what got better or worse beyond noise. Images of the first release are
# known to the second: none of its images may be a copy of one. In a checkout `busgen tag` records
# versions, and `busgen versions` lists them.

# %%
parameters["generate"] |= {"seed": 8, "known": [str(OUT / "first")]}
parameters["generate"] |= {"targets": {"pathology": {"malignant": 0.5}}}
(OUT / "params.yaml").write_text(yaml.safe_dump(parameters))
busgen("generate", "--params", OUT / "params.yaml", "--out", OUT / "second")
found = json.loads(busgen("diff", OUT / "first", OUT / "second", "--json"))
(OUT / "diff.json").write_text(json.dumps(found, indent=1))
busgen("export", OUT / "second", "--as", "coco", "--out", OUT / "coco")
