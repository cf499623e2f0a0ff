"""A release on the Hugging Face hub, as a dataset of the same files.

In: a release folder, a dataset's name. Out: one commit, last of all. What was uploaded before a
kill is not sent again: the hub knows it by its hash.
"""

from pathlib import Path

from busgen.errors import DataError, UserError
from busgen.release.files import DATA, check_sums, list_files, require_release


def push(folder: Path, name: str, private: bool = True) -> str:
    """Write the release `folder` to the hub's dataset `name`; return the address of the commit.

    Data files of an earlier release there are removed, other files stay. `private`: a dataset that
    is new. Raises `DataError` if the folder is not as it was written, `UserError` if the hub
    refuses or cannot be reached.
    """
    import httpx2
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    if problems := check_sums(require_release(folder)):
        raise DataError("a release must be as it was written", problems[0], "generate it again")
    hub, files, what = HfApi(library_name="busgen"), list_files(folder), "dataset"
    try:
        hub.create_repo(name, repo_type=what, private=private, exist_ok=True)
        there = hub.list_repo_files(name, repo_type=what)
        old = [file for file in there if file.startswith(f"{DATA}/") and file not in files]
        changes: list[CommitOperationAdd | CommitOperationDelete]
        changes = [CommitOperationAdd(file, folder / file) for file in files]
        changes += [CommitOperationDelete(file) for file in old]
        done = hub.create_commit(name, changes, repo_type=what, commit_message="Release by busgen")
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
        remedy = "`hf auth login`, check the name, then the same command: it goes on where it was"
        rule, got = "the hub must take the release", error.__cause__ or error
        raise UserError(rule, got, remedy) from error
    return str(done.commit_url)
