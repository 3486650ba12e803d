"""The page in a real browser: the picture moves, the numbers change, the controls act."""

from __future__ import annotations

import re
import time

import pytest

from tests import chromium, tiny
from tests.runtime.sinks import client
from tests.runtime.sinks.results import flowing, result
from tosa_edge.runtime.sinks.web import WebSink

pytestmark = pytest.mark.skipif(
    chromium.executable() is None, reason="no Chromium or Chrome here; CHROMIUM=/path/to/it names one"
)

# A number for what a canvas shows; 0 while it shows nothing.
PIXELS = """
function pixels(tile) {
  const canvas = document.querySelector(`[data-tile="${tile}"] canvas`);
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((sum, value, i) => (sum * 31 + value * (i % 4 < 3)) % 1000003, 0);
}
function coloured(tile) {
  const canvas = document.querySelector(`[data-tile="${tile}"] canvas`);
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let most = 0;
  for (let i = 0; i < data.length; i += 4) most = Math.max(most, Math.abs(data[i] - data[i + 2]));
  return most > 12;
}
const frames = (seconds) => new Promise((resume) => setTimeout(resume, 1000 * seconds));
0
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.Chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def sink():
    made = WebSink(tiny.selective_info(), label="a bar that walks")
    with flowing(made):
        yield made
    made.abort()
    assert client.web_threads() == []


@pytest.fixture
def opened(browser):
    pages = []

    def open_page(url: str) -> chromium.Page:
        page = browser.open(url)
        pages.append(page)
        page.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        page.run(PIXELS)
        return page

    yield open_page
    for page in pages:
        page.close()


def test_the_pictures_move_and_the_numbers_change(sink, opened):
    page = opened(sink.url)
    page.until("document.querySelector('#state').textContent === 'live'")
    for tile in ("picture", "depth", "kept"):
        assert page.run(f"document.querySelector('[data-tile={tile}] canvas').width") == 90
        page.run(f"window.before = pixels('{tile}'); 0")
        page.until(f"pixels('{tile}') !== before")
    before = page.screenshot()
    assert len(before) > 20_000
    for name in ("fps", "latency", "age", "frame", "dropped"):
        page.run(f"window.before = document.querySelector('#{name}').textContent; 0")
        page.until(f"document.querySelector('#{name}').textContent !== before")
    assert page.screenshot() != before
    assert 20 <= float(page.run("document.querySelector('#fps').textContent")) <= 22
    assert (
        page.run("document.querySelector('#about').textContent") == "a bar that walks · tiny · 42×28 · fp32"
    )
    assert page.run(
        "[...document.querySelectorAll('#stages tr')].map((row) => row.cells[0].textContent)"
    ) == [
        "prepare",
        "infer",
        "restore",
    ]
    for plot in range(3):  # each has drawn its line: the accent's blue is in it
        page.until(
            f"(() => {{ const c = document.querySelectorAll('.plot canvas')[{plot}];"
            " const {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            " for (let i = 0; i < data.length; i += 4) if (data[i + 2] > 200 && data[i] < 150) return true;"
            " return false; })()"
        )
    assert page.complaints == []


def test_pause_stops_the_picture_and_resume_moves_it(sink, opened):
    page = opened(sink.url)
    page.until("document.querySelector('#state').textContent === 'live'")
    page.click("#pause")
    page.until("document.querySelector('#pause').textContent === 'Resume'")
    page.until("document.querySelector('#state').textContent.startsWith('view paused')")
    page.run("window.before = pixels('picture'); window.age = document.querySelector('#age').textContent; 0")
    page.until("document.querySelector('#age').textContent !== age")  # the run goes on
    assert page.run("frames(0.5).then(() => pixels('picture') === before)")
    page.click("#pause")
    page.until("pixels('picture') !== before")
    page.until("document.querySelector('#pause').getAttribute('aria-pressed') === 'false'")


def test_colours_and_range_change_the_pixels(sink, opened):
    page = opened(sink.url)
    page.until("document.querySelector('#colour-map').options.length === 5")
    page.until("pixels('depth') && coloured('depth')")
    page.run("(() => { const s = document.querySelector('#colour-map'); s.value = 'grey'; s.onchange(); })()")
    page.until("!coloured('depth')")
    page.run(
        "(() => { const s = document.querySelector('#colour-map'); s.value = 'turbo'; s.onchange(); })()"
    )
    page.until("coloured('depth')")

    page.click("#pause")
    page.until("document.querySelector('#pause').textContent === 'Resume'")
    page.run("window.before = pixels('depth'); 0")
    page.click("#far")  # the middle of its slider
    page.until("pixels('depth') !== before")
    assert not page.run("document.querySelector('#auto').checked")
    page.click("#auto")
    page.until("pixels('depth') === before")
    assert page.complaints == []


def test_two_viewers_at_once_see_the_same_and_one_that_goes_is_not_missed(sink, opened):
    first, second = opened(sink.url), opened(sink.url)
    for page in (first, second):
        page.until("document.querySelector('#state').textContent === 'live'")
    first.click("#pause")
    for page in (first, second):
        page.until("document.querySelector('#pause').textContent === 'Resume'")
        page.until("document.querySelector('#state').textContent.startsWith('view paused')")
        page.run("frames(0.3)")
    assert first.run("pixels('depth')") == second.run("pixels('depth')")
    threads = len(client.web_threads())
    second.run("location.href = 'about:blank'; 0")
    deadline = time.monotonic() + client.PATIENCE_S
    while len(client.web_threads()) >= threads:
        assert time.monotonic() < deadline, "the viewer has gone and its thread has not"
        time.sleep(0.05)
    first.click("#pause")
    first.until("document.querySelector('#state').textContent === 'live'")


def test_a_page_nobody_sees_asks_for_nothing(sink, opened):
    page = opened(sink.url)
    page.until("document.querySelector('#state').textContent === 'live'")
    hidden = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
    page.run(hidden.format("true") + "document.dispatchEvent(new Event('visibilitychange')); 0")
    deadline = time.monotonic() + client.PATIENCE_S
    while len(client.web_threads()) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.run(hidden.format("false") + "document.dispatchEvent(new Event('visibilitychange')); 0")
    page.run("window.before = pixels('picture'); 0")
    page.until("pixels('picture') !== before")


def test_with_a_token_it_works_and_the_token_leaves_the_address(opened):
    sink = WebSink(tiny.selective_info(), host="0.0.0.0")
    at_home = re.sub("//[^:]+:", "//127.0.0.1:", sink.url)
    with flowing(sink):
        page = opened(at_home)
        page.until("document.querySelector('#state').textContent === 'live'")
        assert "token" not in page.run("location.href")
        assert page.run("document.cookie") == "", "scripts have no business with it"
        page.click("#pause")
        page.until("document.querySelector('#pause').textContent === 'Resume'")
        page.run("location.reload(); 0")
        page.until("document.querySelector('#state')?.textContent.startsWith('view paused')")
        stranger = opened(at_home.partition("?")[0])
        assert stranger.run("document.querySelector('#state')") is None
    sink.abort()


def test_the_end_and_a_silence_are_said(opened):
    sink = WebSink(tiny.info())
    page = opened(sink.url)
    page.until("document.querySelector('#state').textContent === 'no frame yet'")
    sink.write(result(0, tiny.info()))
    page.until("document.querySelector('#state').textContent === 'live'")
    assert page.run("document.querySelector('[data-tile=kept]').hidden")
    page.until("document.querySelector('#state').textContent.startsWith('no frame for')")
    sink.seal()
    page.until("document.querySelector('#state').textContent === 'the run has ended'")
