"""What only a browser can tell: the policy blocks nothing of ours, nothing sticks out of a narrow page, and no text of
a submission becomes anything but text."""

import html
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from grader.report import render_html
from grader.result.audience import for_audience
from grader.result.record import Audience

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
  setInterval(() => {{  // the last one counts: a busy machine may lay the page out in several goes
    answer.textContent = `width ${{page.documentElement.clientWidth}} needs ${{page.documentElement.scrollWidth}}`;
  }}, 100);
}});
</script>"""

# Each frame's elements and attributes, compared with those of the first one; everything in it is focused and clicked.
# Before the first frame, an alert is only counted: a real one would wait for a click that never comes.
COMPARE = """<!DOCTYPE html><title>quiet</title>
<script>
let ran = 0;
window.alert = () => ran++;
</script>
{frames}
<p id="answer">not compared</p>
<script>
addEventListener("load", () => {{
  const shapes = [...document.querySelectorAll("iframe")].map(frame => {{
    const elements = [...frame.contentDocument?.querySelectorAll("*") ?? []];
    const shape = elements.map(element => element.tagName + element.getAttributeNames().sort()
      .filter(name => name != "title").map(name => ` ${{name}}=${{element.getAttribute(name)}}`)).join("\\n");
    elements.forEach(element => {{ element.focus?.(); if (element.matches("a, button, input")) element.click(); }});
    return shape;
  }});
  const unlike = shapes.map((shape, index) => shape == shapes[0] ? "" : index).filter(String);
  const found = () => `${{shapes.length}} frames, ran ${{ran}}, unlike [${{unlike}}], ${{document.title}}`;
  setTimeout(() => answer.textContent = found());
}});
</script>"""

# RUN runs a script, HOST is a server of ours that notes what it is asked.
RUN = "top.alert(top.document.title='loud')"
PAYLOADS = (
    "a word",  # what the others are compared with
    f"<script>{RUN}</script>",
    f'"><img src=HOST/image onerror="{RUN}">',
    f"'><img src='HOST/image' onerror='{RUN}'>",
    f'" onfocus="{RUN}" onclick="{RUN}" autofocus tabindex="1" style="background: url(HOST/attribute)',
    f"' onfocus='{RUN}' onclick='{RUN}' autofocus tabindex='1'",
    f"</code></pre></dd></dl></details></main><iframe src=HOST/frame></iframe><iframe srcdoc='<script>{RUN}</script>'>",
    f"</style><style>@import url(HOST/import); * {{ background: url(HOST/background) }}</style><b style='top: 0'>{RUN}",
    f"</text></g></svg><svg onload={RUN}><script href=HOST/svg></script><image href=HOST/picture><a href=HOST/a>x",
    f"</title></head><body onload={RUN}><script src=HOST/script></script>",
    f"--><script>{RUN}</script><!-- ]]><script>{RUN}</script><![CDATA[",
    "<meta http-equiv=refresh content='0; url=HOST/refresh'><base href=HOST/><link rel=stylesheet href=HOST/link>",
    f"<form action=HOST/form><input autofocus onfocus={RUN}><button formaction=javascript:{RUN}>x</button></form>",
    "<object data=HOST/object></object><embed src=HOST/embed><video src=HOST/video></video><audio src=HOST/audio>",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"&lt;script&gt;{RUN}&lt;/script&gt; &#60;img src=HOST/entity onerror={RUN}&#62; &quot;&#34;&apos;",
    f"{{{{ 7*7 }}}} {{% raw %}} {{# x #}} ${{{RUN}}} <template><script>{RUN}</script>",
    "<a id=glance name=answer class=leak href=HOST/clobber ping=HOST/ping>x</a><math><mtext></mtext></math><plaintext>",
    "red; background: url(HOST/property) } * { background: url(HOST/rule) } $\\frac{1}{0}$ \\includegraphics{HOST/tex}",
)


def browse(folder: Path, markup: str, *more: str) -> tuple[str, list[str]]:
    """The page as the browser sees it in the end, and what it wrote to its console."""
    page = folder / "page.html"
    page.write_text(markup, encoding="utf-8")
    switches = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    switches += " --disable-component-update --disable-sync --enable-logging=stderr --v=0"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [str(BROWSER), *switches.split(), *more, profile, "--dump-dom", page.as_uri()]
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

    dom, _ = browse(tmp_path, MEASURE.format(width=width, page=page), "--virtual-time-budget=2000")

    measured = re.search(r"width (\d+) needs (\d+)", dom)
    assert measured is not None
    shown, needed = map(int, measured.groups())
    assert needed <= shown <= width


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what it has been asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


def compared(folder: Path, pages: list[str]) -> tuple[str, list[str]]:
    """What a browser says of these pages side by side, and its console."""
    frames = "".join(f'<iframe srcdoc="{html.escape(page)}"></iframe>' for page in pages)
    dom, console = browse(folder, COMPARE.format(frames=frames))
    answer = re.search(r'<p id="answer">(.*?)</p>', dom)
    assert answer is not None
    return answer[1], console


def unescaped(page: str) -> str:
    """The page with its first texts unescaped: of hundreds of pictures to load from nowhere, a few dozen are enough."""
    end = page.find("&", 40_000)
    return html.unescape(page) if end < 0 else html.unescape(page[:end]) + page[end:]


def pages(samples: ModuleType, audience: Audience, host: str, payloads: Sequence[str] = PAYLOADS) -> list[str]:
    made = []
    for payload in (payload.replace("HOST", host) for payload in payloads):
        page = render_html(for_audience(samples.with_every_text(payload), audience))
        # The places of checks are named for the ids of item and check, of which only plain letters are left.
        plain = re.sub("[^A-Za-z0-9-]", "-", payload)[:80]
        for start in ('href="#', 'id="'):
            assert f"{start}{plain}.{plain}" in page
            page = page.replace(f"{start}{plain}.{plain}", f"{start}a-place")
        made.append(page)
    return made


@pytest.mark.parametrize("audience", Audience)
def test_whatever_a_text_holds_the_page_is_made_of_the_same_elements_and_runs_and_loads_nothing(
    audience: Audience, samples: ModuleType, asked: tuple[str, list[str]], tmp_path: Path
) -> None:
    host, paths = asked

    answer, console = compared(tmp_path, pages(samples, audience, host))

    assert (answer, console, paths) == (f"{len(PAYLOADS)} frames, ran 0, unlike [], quiet", [], [])


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no-policy"])
def test_without_escaping_they_would_show_and_the_policy_alone_keeps_them_from_running(
    policy: bool, samples: ModuleType, asked: tuple[str, list[str]], tmp_path: Path
) -> None:
    host, paths = asked
    bare = [unescaped(page) for page in pages(samples, Audience.LEARNER, host, PAYLOADS[:4])]
    if not policy:
        bare = [page.replace("http-equiv", "data-off", 1) for page in bare]

    answer, console = compared(tmp_path, bare)

    assert "unlike [1,2,3]" in answer
    assert ("ran 0," in answer, "quiet" in answer, paths == []) == (policy,) * 3
    assert console != []  # what was blocked, or could not be found
