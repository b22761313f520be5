"""What the site has beyond docs/: the pages at the top of the repository, the lists, and the reference of the library.

Nothing of it is kept in the repository, so that none of it can be stale.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from checks_page import tables
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mutations_page import sections

import grader

ROOT: Final = Path(__file__).resolve().parents[2]
TOP: Final = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LISTS: Final[Mapping[str, Callable[[], str]]] = {"checks.md": tables, "mutations.md": sections}
MADE_HERE: Final = re.compile(r"^The list itself is made .* when the site is built: `make docs`\.\n", re.MULTILINE)
LINK: Final = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)#]*)(?P<anchor>#[^)]*)?\)")
API: Final = """# Reference of the library

What `from grader import ...` offers, from its docstrings. [The library](library.md) shows it at work, and
[json.md](json.md) has the fields of a `Result`.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere or nowhere."""
    for name, page in TOP.items():
        text = relinked((ROOT / name).read_text("utf-8"), "")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "api.md", content=reference()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to pages of the site, and fill in its list if it has one."""
    here = page.file.src_uri
    if here in TOP.values():
        return markdown
    markdown = relinked(markdown, posixpath.join("docs", posixpath.dirname(here)))
    if here in LISTS:
        markdown, found = MADE_HERE.subn(lambda _: LISTS[here](), markdown)
        if found != 1:
            raise PluginError(f"docs/{here} says {found} times where its list goes; expected once")
    return markdown


def reference() -> str:
    """A page with every public name."""
    names = [name for name in grader.__all__ if not name.startswith("_")]
    return API + "".join(f"\n::: grader.{name}\n" for name in names)


def relinked(markdown: str, folder: str) -> str:
    """The text of a file in ``folder``, its links to other files turned into links to their pages, or into text."""

    def turned(link: re.Match[str]) -> str:
        text, target, anchor = link["text"], link["target"], link["anchor"] or ""
        if not target or "://" in target:
            return link[0]
        file = posixpath.normpath(posixpath.join(folder, target))
        page = TOP.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else None)
        if page is None:
            return text
        return f"[{text}]({posixpath.relpath(page, posixpath.relpath(folder or 'docs', 'docs'))}{anchor})"

    return LINK.sub(turned, markdown)
