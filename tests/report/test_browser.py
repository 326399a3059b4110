"""The report in a real browser: it works, by mouse and keyboard, and nothing leaves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.report import ReportSettings, build_report
from harness.report.bundle import bundle
from tests.report import toys
from tests.report.conftest import MakeRun

pytestmark = pytest.mark.browser

Open: TypeAlias = Callable[..., Any]

DIALOG = "dialog#sample[open]"
VIOLATIONS = (
    "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.blockedURI))"
)


@pytest.fixture(scope="module")
def report(two_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(two_runs, tmp_path_factory.mktemp("page") / "report")


@pytest.fixture(scope="module")
def single(two_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "r.html"
    return build_report(two_runs, path, ReportSettings(single_file=True))


@pytest.fixture(params=["report", "single"])
def either(request: pytest.FixtureRequest) -> Path:
    """The report as a folder, and as a single file."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Open a page at an address; at the end, nothing may have gone wrong or out."""
    contexts, problems, requests = [], [], []

    def go(path: Path, address: str = "", **settings: Any) -> Any:
        context = browser.new_context(**settings)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: problems.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.add_init_script(VIOLATIONS)
        page.goto(path.as_uri() + address)
        page.wait_for_selector("main [data-view]:not([hidden])")
        return page

    yield go
    for context in contexts:
        assert not context.pages[0].evaluate("globalThis.pwned ?? 0")
        context.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def _items(page: Any) -> list[str]:
    page.wait_for_selector("#list .item")
    return [text.split("\n")[0] for text in page.locator("#list .item").all_inner_texts()]


def _found(page: Any, text: str) -> None:
    page.wait_for_function(
        "(text) => document.getElementById('found').textContent === text", arg=text
    )


def test_one_view_at_a_time(report: Path, visit: Open):
    page = visit(report)
    shown = "main > [data-view]:not([hidden])"
    assert page.locator(shown).get_attribute("data-view") == "leaderboard"
    for name in ("Tasks", "Samples", "Compare", "Costs", "Runs"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        page.wait_for_selector(f"nav [aria-current]:text-is('{name}')")
        assert page.locator(shown).count() == 1
    page.go_back()
    page.wait_for_selector("nav [aria-current]:text-is('Costs')")


def test_headings_sort(report: Path, visit: Open):
    page = visit(report)
    head = page.locator("#scores thead th").nth(1)
    names = page.locator("#scores tbody th")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert "right" in names.first.inner_text()
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert "hostile" in names.first.inner_text()
    page.locator("#scores thead button").first.click()
    assert head.get_attribute("aria-sort") == "none"


def test_numbers_lead_to_their_samples(report: Path, visit: Open):
    page = visit(report)
    page.locator("#scores tbody tr", has_text="right").locator("a.number").first.click()
    _found(page, "16 samples")
    assert page.locator("select[name=run]").input_value() == "1"


def test_filters(either: Path, visit: Open):
    page = visit(either, "#samples?task=0&run=0")
    _found(page, "16 samples")
    page.locator("#verdicts button[data-verdict=ok]").click()
    _found(page, "4 of 16 samples")
    page.locator("#verdicts button[data-verdict=ok]").click()
    page.select_option("select[name=category]", "even")
    _found(page, "8 of 16 samples")
    page.fill("input[name=q]", "QUESTION 14 script")
    _found(page, "1 of 16 samples")
    assert _items(page) == ["q014"]
    assert "q=QUESTION+14" in page.url
    page.reload()
    _found(page, "1 of 16 samples")


def test_flipped_samples_of_two_runs(either: Path, visit: Open):
    page = visit(either, "#samples?task=0&run=0")
    _found(page, "16 samples")
    page.select_option("select[name=other]", "1")
    _found(page, "14 of 16 samples")
    page.select_option("select[name=flip]", "lost")
    _found(page, "10 of 16 samples")
    page.select_option("select[name=flip]", "gained")
    _found(page, "2 of 16 samples")
    assert "there" in page.locator("#list .item").first.inner_text()


def test_comparisons_lead_to_flipped_samples(report: Path, visit: Open):
    page = visit(report, "#compare")
    assert page.locator("article:not([hidden]) tbody tr:not([hidden])").count() == 2
    page.check("input[name=all]")
    assert page.locator("article:not([hidden]) tbody tr:not([hidden])").count() == 4
    page.locator("article tbody a").first.click()
    _found(page, "14 of 16 samples")


def test_the_keyboard_does_everything(report: Path, visit: Open):
    page = visit(report, "#samples?task=0&run=0")
    _found(page, "16 samples")
    page.focus("#list")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator("[aria-selected=true]").get_attribute("id") == "item-1"
    assert page.locator("#list").get_attribute("aria-activedescendant") == "item-1"
    page.keyboard.press("End")
    assert page.locator("[aria-selected=true]").get_attribute("aria-posinset") == "16"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{DIALOG} h2:text-is('q000')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"{DIALOG} h2:text-is('q001')")
    assert "open=1" in page.url
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f"{DIALOG} h2:text-is('q000')")
    page.keyboard.press("Escape")
    page.wait_for_selector(DIALOG, state="detached")
    page.wait_for_function("document.activeElement.id === 'list'")
    page.wait_for_timeout(200)  # the address has changed, and its listener may not have run yet
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.name === 'q'", timeout=5_000)


def test_focus_can_be_seen(report: Path, visit: Open):
    page = visit(report)
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"


def test_a_sample_has_its_picture_boxes_and_mask(either: Path, visit: Open):
    page = visit(either, "#samples?task=1&run=0&open=1")
    page.wait_for_selector(f"{DIALOG} .canvas svg")
    assert page.locator(f"{DIALOG} rect.box").count() == 1
    box = page.locator(f"{DIALOG} rect.box")
    assert [box.get_attribute(name) for name in ("x", "y", "width", "height")] == list("2024")
    path = page.locator(f"{DIALOG} path.mask").get_attribute("d")
    assert path == "M2 0h1v4h-1zM3 0h1v4h-1z"
    assert page.locator(f"{DIALOG} .canvas img").evaluate("(i) => i.naturalWidth") == 8
    page.get_by_label("masks").uncheck()
    assert not page.locator(f"{DIALOG} path.mask").is_visible()
    assert page.locator(f"{DIALOG} .legend li").inner_text().startswith("red square </script>")


def test_a_sample_has_what_every_run_made_of_it(report: Path, visit: Open):
    page = visit(report, "#samples?task=0&run=0&open=3")
    cards = page.locator(f"{DIALOG} .others button")
    page.wait_for_selector(f"{DIALOG} .others button")
    assert cards.count() == 2
    assert cards.nth(0).get_attribute("aria-current") == "true"
    cards.nth(1).click()
    page.wait_for_selector(f"{DIALOG} .others button:nth-child(2)[aria-current=true]")
    assert "Traceback" in page.locator(DIALOG).inner_text()
    assert page.locator(f"{DIALOG} .head .v-errored").count() == 1


def test_hostile_answers_are_text(either: Path, visit: Open):
    page = visit(either, "#samples?task=0&run=0&open=0")
    answer = page.locator(f"{DIALOG} section", has_text="answer").locator(".said").first
    assert answer.inner_text() == toys.SCRIPT


def test_hidden_characters_are_named(report: Path, visit: Open):
    page = visit(report, "#samples?task=0&run=0&open=1")
    page.wait_for_selector(f"{DIALOG} .said .hid")
    assert "U+202Egnp.exeU+202C" in page.locator(DIALOG).inner_text()
    assert "\u202e" not in page.locator("body").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"{DIALOG} h2:text-is('q003')")
    assert "nulU+0000 and U+001B[31mred" in page.locator(DIALOG).inner_text()


def test_long_answers_unfold_in_pieces(report: Path, visit: Open):
    page = visit(report, "#samples?task=0&run=0&open=2")
    length = "(d) => d.querySelector('.said').parentElement.parentElement.textContent.length"
    fold = page.locator(f"{DIALOG} .fold")
    assert fold.inner_text() == "Show more of 1,000,000 characters"
    assert page.locator(DIALOG).evaluate(length) < 10_000
    fold.click()
    assert 50_000 < page.locator(DIALOG).evaluate(length) < 60_000
    assert fold.inner_text() == "Show more of 1,000,000 characters"


ADDRESSES = (
    *("#leaderboard", "#tasks", "#task-0", "#samples", "#compare", "#costs", "#run-0"),
    "#samples?task=1&run=0&open=1",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only(report: Path, visit: Open, scheme: str):
    page = visit(report, viewport={"width": 375, "height": 700}, color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    for address in ADDRESSES:
        page.evaluate("(address) => { location.hash = address; }", address)
        if "open" in address:
            page.wait_for_selector(DIALOG)
        widths = page.evaluate(
            "[...document.querySelectorAll('html, dialog .body')].map((e) => e.scrollWidth)"
        )
        assert max(widths) <= 375, address


def test_motion_is_only_for_those_who_want_it(report: Path, visit: Open):
    address = "#samples?task=1&run=0&open=1"
    page = visit(report, address)
    page.wait_for_selector(DIALOG)
    for wish, expected in (("reduce", "none"), ("no-preference", "rise")):
        page.emulate_media(reduced_motion=wish)
        assert page.locator(DIALOG).evaluate("(d) => getComputedStyle(d).animationName") == expected


def test_without_scripts_all_tables_can_be_read(report: Path, browser: Any):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#scores").is_visible()
    assert page.locator("[data-view=run-1]").is_visible()
    assert page.locator("noscript p").is_visible()
    context.close()


WRONG = (
    *("#nonsense", "#samples?task=99&run=x&open=-1", "#%"),
    "#samples?flip=any&verdict=nonsense&category=no",
)


def test_wrong_addresses_show_something(report: Path, visit: Open):
    page = visit(report)
    for address in WRONG:
        page.evaluate("(address) => { location.hash = address; }", address)
        page.wait_for_timeout(50)
        assert page.locator("main > [data-view]:not([hidden])").count() == 1


def test_a_broken_folder_says_so(two_runs: list[Path], tmp_path: Path, browser: Any):
    path = build_report(two_runs, tmp_path / "out")
    (path.parent / "data" / "rows-0-0-0.js").unlink()
    page = browser.new_context().new_page()
    page.goto(path.as_uri() + "#samples?task=0&run=0")
    page.wait_for_function("/keep the folder/.test(document.getElementById('found').textContent)")
    page.context.close()


def test_a_run_without_samples_to_show(make_run: MakeRun, tmp_path: Path, visit: Open):
    page = visit(build_report([make_run("toy-questions", limit=1)], tmp_path / "out"), "#samples")
    _found(page, "1 sample")


def test_the_policy_stops_what_a_page_could_try(report: Path, browser: Any):
    """The policy itself, with a page that tries: inline scripts, styles, the network."""
    page = browser.new_context().new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(report.as_uri())
    page.evaluate(
        """() => {
        const script = document.createElement("script");
        script.textContent = "globalThis.pwned = 1";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "https://example.org/x.png";
        document.body.append(image);
        document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='1'>x</p>");
        return fetch("https://example.org/").catch(() => 0);
        }"""
    )
    page.wait_for_timeout(200)
    assert not page.evaluate("globalThis.pwned ?? 0")
    assert len([text for text in blocked if re.search("Content Security Policy", text)]) >= 4
    page.context.close()


@pytest.fixture(scope="module")
def modules(browser: Any) -> Iterator[Any]:
    """A page on which the pure functions of the page's modules can be called."""
    page = browser.new_context().new_page()
    page.set_content("<!doctype html><p>")
    names = ("text", "dom", "shards", "filters", "overlay")
    exposed = "globalThis.modules = { parts, plain, number, matcher, maskPath, detections };"
    page.add_script_tag(content=f"{{{bundle(names)}{exposed}}}")
    yield page
    page.context.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", [["plain", False]]),
        ("a\nb\tc", [["a\nb\tc", False]]),
        ("a\u202eb", [["a", False], ["U+202E", True], ["b", False]]),
        ("\x00", [["U+0000", True]]),
        ("\u200b\ufeff", [["U+200B", True], ["U+FEFF", True]]),
        ("\U0001f600 日本 ä", [["\U0001f600 日本 ä", False]]),
        ("\U000e0041", [["U+E0041", True]]),
    ],
)
def test_hidden_characters(modules: Any, text: str, shown: list[list[object]]):
    found = modules.evaluate("(text) => modules.parts(text)", text)
    merged: list[list[object]] = []
    for part, hidden in found:
        if merged and not hidden and not merged[-1][1]:
            merged[-1][0] += part
        else:
            merged.append([part, hidden])
    assert merged == shown


def test_a_lone_surrogate_is_named(modules: Any):
    assert modules.evaluate("modules.plain('a' + String.fromCharCode(0xd800))") == "aU+D800"


@pytest.mark.parametrize(
    ("size", "counts"), [([2, 3], [1, 2, 3]), ([2, 3], [0, 6]), ([3, 2], [2, 3, 1]), ([1, 1], [1])]
)
def test_masks_cover_exactly_their_pixels(modules: Any, size: list[int], counts: list[int]):
    """Against the reference: run lengths down the columns, drawn pixel by pixel."""
    values = [i % 2 for i, count in enumerate(counts) for _ in range(count)]
    expected = {(n // size[0], n % size[0]) for n, value in enumerate(values) if value}
    path = modules.evaluate("(mask) => modules.maskPath(mask)", {"size": size, "counts": counts})
    covered = set()
    for x, y, height in re.findall(r"M(\d+) (\d+)h1v(\d+)h-1z", path):
        covered |= {(int(x), int(y) + d) for d in range(int(height))}
    assert covered == expected


@pytest.mark.parametrize(
    "mask", [{}, {"size": [0, 4], "counts": [4]}, {"size": [1, 1], "counts": [1, 9]}]
)
def test_broken_masks_are_left_out(modules: Any, mask: dict[str, Any]):
    assert modules.evaluate("(mask) => modules.maskPath(mask)", mask) == ""


@pytest.mark.parametrize(
    "details", [None, {}, {"detections": "no"}, {"detections": [None, 3, {"box": [1]}]}]
)
def test_details_without_boxes(modules: Any, details: Any):
    assert modules.evaluate("(details) => modules.detections(details)", details) == []


@pytest.mark.slow
def test_fifty_thousand_samples_stay_usable(tmp_path: Path, visit: Open):
    """Time to the first row and to filter, measured and printed; the bounds are ten times wider."""
    from benchmarks.counting_task import counting_run

    report = build_report([counting_run(tmp_path / "run", 50_000)], tmp_path / "report")
    page = visit(report)
    timed = """async (act) => {
        const start = performance.now();
        const found = () => document.getElementById("found").textContent;
        const settled = (test) => new Promise((resolve) => {
            const look = () => (test() ? resolve() : setTimeout(look, 1));
            look();
        });
        if (act === "open") {
            location.hash = "#samples";
            await settled(() => document.querySelector("#list .item"));
            const first = performance.now() - start;
            await settled(() => found() === "50,000 samples");
            return [first, performance.now() - start];
        }
        const box = document.querySelector("[name=q]");
        box.value = act;
        box.dispatchEvent(new Event("input"));
        await settled(() => found().includes(" of "));
        return [performance.now() - start];
    }"""
    first, whole = page.evaluate(timed, "open")
    (search,) = page.evaluate(timed, "question 49999:")
    print(f"\nfirst row {first:.0f} ms, all rows {whole:.0f} ms, search {search:.0f} ms")  # noqa: T201
    assert _items(page) == ["q49999"]
    assert page.locator("#list .item").count() < 100
    assert first < 3000
    assert search < 3000
