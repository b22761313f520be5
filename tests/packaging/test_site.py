"""The site has what docs/ leaves out: the lists of checks and of bugs, and the reference of the library."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

import grader
from grader.checks.catalogue import CHECKS
from grader.exercise.model import builtin_exercise
from mutations.catalogue import EVERY

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    "candidate", "reference", "starter", "variant", "check", "comparison", "item", "guard", "lane", "twin", "essential",
    "stand-in", "launcher", "worker", "wire",
)  # fmt: skip


def made(module: str, function: str) -> str:
    """What a function of a module in docs/site makes."""
    spec = importlib.util.spec_from_file_location(module, ROOT / "docs" / "site" / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    text: str = getattr(loaded, function)()
    return text


def test_each_check_has_its_title_in_the_list_and_its_place_in_every_item_that_asks_it() -> None:
    text = made("checks_page", "tables")
    rubric = builtin_exercise().rubric
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|", text, flags=re.MULTILINE)
    asked = [check for item in (*rubric.item, *rubric.followup) for check in (*item.earns, *item.takes)]

    assert {(check.id, check.title) for check in CHECKS} <= set(rows)
    assert {check: [row[0] for row in rows].count(check) for check in asked} == {c: asked.count(c) for c in asked}
    assert [item.title for item in (*rubric.item, *rubric.followup) if f"\n## {item.title}\n" not in text] == []


def test_each_bug_has_a_section_with_its_story_and_none_of_its_hints() -> None:
    text = made("mutations_page", "sections")
    headings = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)

    assert headings == [operator.id for operator in EVERY]
    for operator in EVERY:
        assert operator.origin in text
        assert operator.story.strip().splitlines()[0] in text
        assert [hint for hint in operator.hints if hint in text] == []


def test_the_list_goes_where_its_page_says_so() -> None:
    for name in ("checks", "mutations"):
        lines = (ROOT / "docs" / f"{name}.md").read_text("utf-8").splitlines()

        assert len([line for line in lines if re.fullmatch(r"The list itself is made .*: `make docs`\.", line)]) == 1


def test_the_vocabulary_is_short_and_has_the_words_that_are_ours() -> None:
    page = (ROOT / "docs" / "vocabulary.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w -]+) \| .+ \|$", page, flags=re.MULTILINE)

    assert set(WORDS) <= set(rows)
    assert len(rows) <= 25


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does: a warning ends the build."""
    pytest.importorskip("material")
    where = tmp_path_factory.mktemp("site")
    built = build(ROOT, where)

    assert built.returncode == 0, built.stderr
    return where


def build(tree: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Run what ``make docs`` runs."""
    [options] = re.findall(r"-m mkdocs build(.*)", (ROOT / "Makefile").read_text("utf-8"))
    command = [sys.executable, "-m", "mkdocs", "build", *options.split(), "--site-dir", str(site)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=300)


def pages(site: Path) -> Iterator[tuple[Path, str]]:
    """Every page, with its text."""
    for path in sorted(site.rglob("*.html")):
        yield path, path.read_text("utf-8")


@pytest.mark.slow
def test_the_reference_has_every_public_name_with_its_docstring(site: Path) -> None:
    page = (site / "api" / "index.html").read_text("utf-8")
    text = " ".join(unescape(re.sub(r"<[^>]+>", "", page)).split())
    names = [name for name in grader.__all__ if name != "__version__"]

    assert [name for name in names if f'id="grader.{name}"' not in page] == []
    for name in names:
        first = " ".join(str(getattr(grader, name).__doc__).split(":")[0].split("``")[0].split())

        assert first in text, name


@pytest.mark.slow
def test_the_lists_are_on_their_pages(site: Path) -> None:
    checks, mutations = ((site / name / "index.html").read_text("utf-8") for name in ("checks", "mutations"))

    assert [check.id for check in CHECKS if f"<code>{check.id}</code>" not in checks] == []
    assert [operator.id for operator in EVERY if f'id="{operator.id}"' not in mutations] == []
    assert "make docs" not in checks + mutations


@pytest.mark.slow
def test_a_page_loads_nothing_from_elsewhere_and_every_link_inside_leads_somewhere(site: Path) -> None:
    loaded, dead = set(), set()
    for path, text in pages(site):
        loaded |= set(re.findall(r'(?:src|<link[^>]*href)="((?:https?:)?//[^"]+)"', text))
        for target in re.findall(r'<a [^>]*href="([^"#?]+)', text):
            if "://" not in target and not (path.parent / target).exists() and path.name != "404.html":
                dead.add((path.relative_to(site).as_posix(), target))

    assert (loaded, dead) == (set(), set())


@pytest.mark.slow
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path) -> None:
    pytest.importorskip("material")
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "docs" / "report.md").open("a", encoding="utf-8") as page:
        page.write("[gone](gone.md)\n")
    built = build(tmp_path, tmp_path / "site")

    assert built.returncode != 0
    assert "'report.md' contains a link 'gone.md'" in built.stderr
