"""Which sites the catalogue has in the foreign sources, and the lists of those that were read and found right.

python tests/mutations/foreign_sites.py          shows every site with what it changes, to be read
python tests/mutations/foreign_sites.py --write  writes the lists
"""

import sys
from collections.abc import Iterator, Sequence
from difflib import ndiff
from importlib.util import find_spec
from pathlib import Path

from mutations.catalogue import OPERATORS
from mutations.edit import splice
from mutations.sites import Site, sites
from mutations.source import together

FOREIGN = Path(__file__).parent / "foreign"
STYLES = tuple(sorted(path.parent.name for path in FOREIGN.glob("*/sites.txt")))
LIST = "sites.txt"
# Not written here, and not kept here either: packages, and which of their files.
PACKAGES = {
    "package_gpt2": ("transformers", "models/gpt2/modeling_gpt2.py"),
    "package_llama": ("transformers", "models/llama/modeling_llama.py"),
    "package_nano": ("autoresearch", "*.py"),
}


def texts(style: str) -> dict[str, str]:
    """The files of a style, by name; those of a package as they are installed, which is not imported."""
    folder, pattern = FOREIGN / style, "*.py"
    if style in PACKAGES:
        package, pattern = PACKAGES[style]
        spec = find_spec(package)
        assert spec, f"{package} is not installed: make .venv/.installed-dev"
        folder = Path(str(spec.origin)).parent
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob(pattern))}


def found(style: str) -> list[Site]:
    """Every site of every operator, in all files of a style."""
    return list(sites(together(texts(style)), OPERATORS))


def listed(style: str) -> list[str]:
    """The operators with their places, as the list of a style has them."""
    return (FOREIGN / style / LIST).read_text(encoding="utf-8").splitlines()


def line_of(site: Site, files: dict[str, str]) -> str:
    """A site as it stands in a list: the operator, and the file and line where its edit begins."""
    line = files[site.edit.file].encode()[: site.edit.start].count(b"\n") + 1
    return f"{site.operator.id} {site.edit.file}:{line}"


def changes(site: Site, files: dict[str, str]) -> Iterator[str]:
    """The lines that a site takes away and adds."""
    before = files[site.edit.file]
    after = splice(before, [site.edit])
    return (line for line in ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-")


def main(arguments: Sequence[str]) -> None:
    for style in STYLES:
        files = texts(style)
        here = found(style)
        if arguments == ["--write"]:
            lines = "".join(f"{line_of(site, files)}\n" for site in here)
            (FOREIGN / style / LIST).write_text(lines, encoding="utf-8")
            continue
        for site in here:
            print(f"\n{style}: {line_of(site, files)}", *changes(site, files), sep="\n    ")


if __name__ == "__main__":
    main(sys.argv[1:])
