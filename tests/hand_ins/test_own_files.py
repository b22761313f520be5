"""What the starter's README says of files of one's own holds where it says so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAIN, RELATIVE = "from helper import f", "from .helper import f"


@pytest.mark.parametrize(("statement", "works"), [(PLAIN, True), (RELATIVE, False)], ids=["plain", "relative"])
def test_a_file_of_ones_own_is_imported_as_the_readme_says(statement: str, works: bool, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def f(): pass\n")
    (tmp_path / "train.py").write_text(f"{statement}\n")
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True)
    text = " ".join((ROOT / "candidate" / "README.md").read_text("utf-8").split())

    assert (done.returncode == 0) == works
    assert f"`{statement}`" in text
    assert re.search(r"plain name \(.*?\), which works everywhere", text)
    assert re.search(r"works in the grade too, but not under `python train.py` and pytest", text)
