"""The reference's own tests run as their first lines say."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_references_own_tests_pass_from_the_disk(model_file: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(model_file.parent))
    command = [sys.executable, "-B", "-m", "pytest", *options, "test_end_to_end.py"]
    done = subprocess.run(command, cwd=model_file.parent, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout
    assert " passed in " in done.stdout
