"""What only a browser can tell: the policy blocks nothing of ours, and nothing sticks out of a narrow page."""

import html
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from grader.report import render_html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]

# A browser window has a least width; a frame does not. The script is the frame's owner's, not the report's.
MEASURE = """<!DOCTYPE html><iframe width="{width}" height="900" srcdoc="{page}"></iframe>
<p id="answer">not measured</p>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  page.querySelectorAll("details").forEach(details => details.open = true);
  answer.textContent = `width ${{page.documentElement.clientWidth}} needs ${{page.documentElement.scrollWidth}}`;
}});
</script>"""


def browse(folder: Path, markup: str) -> tuple[str, list[str]]:
    """The page as the browser sees it in the end, and what it wrote to its console."""
    page = folder / "page.html"
    page.write_text(markup, encoding="utf-8")
    switches = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    switches += " --disable-component-update --disable-sync --enable-logging=stderr --v=0"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [str(BROWSER), *switches.split(), profile, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("name", ["half_done", "hostile"])
def test_the_console_stays_empty(name: str, samples: ModuleType, tmp_path: Path) -> None:
    _, console = browse(tmp_path, render_html(getattr(samples, name)()))

    assert console == []


def test_the_console_would_tell_of_a_blocked_style(samples: ModuleType, tmp_path: Path) -> None:
    markup = render_html(samples.bare()).replace("<main>", '<main style="color: red">')

    _, console = browse(tmp_path, markup)

    assert "Content Security Policy" in "".join(console)


@pytest.mark.parametrize("width", [360, 768])
@pytest.mark.parametrize("name", ["starter", "half_done", "hostile"])
def test_nothing_sticks_out_of_the_page(name: str, width: int, samples: ModuleType, tmp_path: Path) -> None:
    page = html.escape(render_html(getattr(samples, name)()))

    dom, _ = browse(tmp_path, MEASURE.format(width=width, page=page))

    measured = re.search(r"width (\d+) needs (\d+)", dom)
    assert measured is not None
    shown, needed = map(int, measured.groups())
    assert needed <= shown <= width
