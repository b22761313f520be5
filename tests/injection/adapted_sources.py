"""GPTs that keep no contract, each with an adapter.py: for tests, and for a benchmark that injects into all of them."""

from importlib.util import find_spec
from pathlib import Path

from grader.injection.library_model import copied

TESTS = Path(__file__).resolve().parents[1]
EXAMPLES = TESTS.parent / "docs" / "examples"
ADAPTED, FOREIGN = TESTS / "injection" / "adapted", TESTS / "mutations" / "foreign"
LIBRARY = "transformers"
# Where each source lies: files of later folders stand beside those of earlier ones, or in their place.
FOLDERS = {
    "example": (EXAMPLES / "nano",),
    "mini": (FOREIGN / "mini", ADAPTED / "mini"),
    "book": (FOREIGN / "book", ADAPTED / "book"),
    "tiny_llama": (FOREIGN / "tiny_llama", ADAPTED / "tiny_llama"),
    "script": (FOREIGN / "script", ADAPTED / "script"),
    "fast": (FOREIGN / "fast", ADAPTED / "fast"),
    "gpt2": (EXAMPLES / "gpt2",),
    "llama": (EXAMPLES / "gpt2", ADAPTED / "llama"),
}
# Not kept here: copied from where the library is installed.
MODULES = {
    "gpt2": "transformers.models.gpt2.modeling_gpt2",
    "llama": "transformers.models.llama.modeling_llama",
}


def why_not(name: str) -> str:
    """Why a source cannot be had here; empty where it can."""
    lacks = name in MODULES and find_spec(LIBRARY) is None
    return f"{LIBRARY} is not installed: pip install 'gpt-bug-grader[{LIBRARY}]'" if lacks else ""


def source(name: str) -> dict[str, str]:
    """A GPT with its adapter.py: as it was found, or with what was cut out of its script."""
    files = {path.name: path.read_text("utf-8") for folder in FOLDERS[name] for path in sorted(folder.glob("*.py"))}
    if "train_gpt2.py" in files:
        files["model.py"] = files.pop("train_gpt2.py")
    if name in MODULES:
        files["model.py"] = copied(MODULES[name])
    return files
