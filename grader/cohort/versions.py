"""What verdicts rest on beside the exercise: the same everywhere, or one cohort is graded by two yardsticks."""

import platform
import subprocess
import sys
from typing import Final

import msgspec
from msgspec import Struct

from grader.files.digest import grader_digest, package_versions
from grader.limits import JOB_VERSIONS_SECONDS
from grader.sandbox.torch_version import torch_version

SHOWN: Final = 12  # digits of a hash, in messages


class Versions(Struct, frozen=True, kw_only=True):
    """The code that grades, and what it runs on."""

    grader: str  # the hash of its sources
    python: str
    packages: dict[str, str]  # torch among them


def versions() -> Versions:
    """Those of this process."""
    return Versions(
        grader=grader_digest(),
        python=platform.python_version(),
        packages={"torch": torch_version()} | package_versions(),
    )


def versions_of_a_job() -> Versions | str:
    """Those of a process that is started here to grade, or why it has none.

    It is asked itself: it looks for packages in fewer places than the process that starts it.
    """
    command = [sys.executable, "-I", "-B", "-m", "grader.cohort.versions"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=JOB_VERSIONS_SECONDS)
        return msgspec.json.decode(done.stdout, type=Versions)
    except subprocess.TimeoutExpired:
        return f"its Python did not answer within {JOB_VERSIONS_SECONDS} s"
    except OSError as error:
        return f"its Python cannot be started: {error}"
    except msgspec.DecodeError:
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        return f"it has no such grader: {lines[-1][:300] if lines else f'exit code {done.returncode}'}"


def differences(theirs: Versions | str, ours: Versions) -> str:
    """What is not the same there as here, in a few words; empty when nothing is."""
    if isinstance(theirs, str):
        return theirs
    found = []
    if theirs.grader != ours.grader:
        found.append(f"grader's code {theirs.grader[:SHOWN]} instead of {ours.grader[:SHOWN]}")
    if theirs.python != ours.python:
        found.append(f"Python {theirs.python} instead of {ours.python}")
    for name, wanted in ours.packages.items():
        if (there := theirs.packages.get(name, "missing")) != wanted:
            found.append(f"{name} {there} instead of {wanted}")
    return ", ".join(found)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(versions()))
