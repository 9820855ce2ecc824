"""The page: well-formed, whole in itself, readable, harmless whatever a candidate said; looked at by a browser."""

import re
import shutil
import subprocess
import sys
from html import escape
from html.parser import HTMLParser

import judged
import pytest

from refnorm.checker.html import html, worst_cases
from refnorm.checker.plots import bars, dots, figure

VOID = {"meta", "link", "br", "img", "input", "hr"}
ALL = tuple(judged.CANDIDATES)


class Page(HTMLParser):
    """A page read strictly: what is opened is closed, in order, and nothing is loaded or run."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.refers, self.texts, self.trouble = [], [], [], [], []
        self.tags = {}
        self.feed(text)
        self.close()
        self.trouble += [f"<{tag}> is never closed" for tag in self.open]
        self.trouble += [f"id {i!r} twice" for i in {i for i in self.ids if self.ids.count(i) > 1}]
        self.trouble += [f"nothing has the id {i!r}" for i in self.refers if i not in self.ids]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.setdefault(tag, []).append(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "iframe", "object", "embed", "form", "base", "img", "image", "use", "foreignobject"):
            self.trouble.append(f"<{tag}>")
        for name, value in attributes.items():
            if name.startswith("on"):
                self.trouble.append(f"{name}=")
            if name in ("href", "src", "xlink:href", "action", "srcset", "data"):
                if value.startswith("#"):
                    self.refers.append(value[1:])
                elif value != "data:,":
                    self.trouble.append(f"{name}={value}")
            if name == "id":
                self.ids.append(value)
            if name in ("aria-labelledby", "aria-describedby"):
                self.refers += value.split()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.trouble.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def troubles(text):
    page = Page(text)
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
    outside = re.findall(r"https?:|url\(|@import|//[a-z]", text.replace("<!doctype", "")) if page.text else ["no text"]
    unseen = re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufffe\uffff]", text)
    return page.trouble + outside + unseen + ([] if style else ["no style"])


@pytest.mark.parametrize("which", ALL)
def test_a_page_is_well_formed_and_whole_in_itself(which):
    text = html(judged.report(which))
    assert troubles(text) == []
    text.encode("utf-8")
    assert len(text) < 400_000


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (("</section>", ""), "closes nothing"),
        (("</main>", "<script>1</script></main>"), "<script>"),
        (("</main>", '<a href="https://example.org">x</a></main>'), "href=https://example.org"),
        (("</main>", "<p onclick='f()'>x</p></main>"), "onclick="),
        (("</main>", "<p id='r1'></p></main>"), "id 'r1' twice"),
        (('id="r1-verdict"', ""), "nothing has the id 'r1-verdict'"),
        (("</main>", "\x1b[31m</main>"), "\x1b"),
        (("--page:", "background: url(x); --page:"), "url("),
    ],
)
def test_a_page_that_is_not_is_seen(spoil, said):
    assert said in " ".join(troubles(html(judged.report("wrong")).replace(*spoil)))


def test_the_verdict_comes_first_and_in_words():
    said = {"right": "Conforms", "wrong": "Does not conform", "out of time": "Too few cases ran"}
    for which, verdict in said.items():
        text = html(judged.report(which))
        heading = re.search(r"<h2[^>]*>(.*?)</h2>", text, re.S)
        assert re.sub("<[^>]*>", " ", heading[1]).split(maxsplit=1)[1].strip() == verdict
        assert text.index("<h2") < text.index("<table")
    warned = html(judged.report("strictly right"))
    assert "strict" in Page(warned).text


def test_a_page_holds_what_the_report_holds():
    report = judged.report("wrong")
    text = Page(html(report)).text
    for layer in report.layers:
        assert layer.name in text
        assert all(" ".join(f.what.split()) in text for f in layer.findings)
    assert "Recognised: sum in place of mean" in text
    worst = report.worst
    for part in (repr(worst.got), worst.got.hex(), repr(worst.wanted), worst.wanted.hex(), worst.label):
        assert part in text
    assert f"--seed {report.seed}" in text
    assert "from judged import wrong" in text
    assert all(f"{name} {version}" in text for name, version in report.versions.items())


@pytest.mark.parametrize("which", ["right", "wrong", "vanishing"])
def test_every_worst_case_is_there_in_hex(which):
    report = judged.report(which)
    cases = worst_cases(report)
    assert len(cases) == 20 < len(report.cases)
    rows = re.search(r'<table class="cases">(.*?)</table>', html(report), re.S)[1].split("<tr>")[2:]
    assert len(rows) == 20
    for case, row in zip(cases, rows, strict=True):
        assert case.label.replace("'", "&#39;") in row
        assert case.got_hex in row
        assert case.wanted_hex in row
    assert any("0x1." in case.wanted_hex for case in cases)
    least = min(case.rank for case in cases)
    assert sum(case.rank > least for case in report.cases) < 20, "none that is left out is worse"


def test_no_element_is_missing_from_the_histogram():
    for which in ("right", "vanishing"):
        errors = judged.report(which).errors["float32"]
        text = html(judged.report(which))
        table = re.search(r"<summary>The counts</summary>(.*?)</table>", text, re.S)[1]
        counts = [int(n.replace(",", "")) for n in re.findall(r'<td class="n">([\d,]+)</td>', table)]
        assert sum(counts) == sum(errors["counts"]) + errors["nonfinite"]
        assert ("NaN or infinite in the wrong place" in table) == (which == "vanishing")


def test_several_reports_make_one_page_with_a_table_of_all():
    reports = [judged.report(which) for which in ("right", "wrong", "crashing")]
    text = html(reports)
    assert troubles(text) == []
    assert "1 of 3 conform" in Page(text).text
    assert len(Page(text).tags["article"]) == 3
    with pytest.raises(ValueError, match="one report at least"):
        html([])


def test_a_missing_jinja2_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'refnorm\[check\]'"):
        html(judged.report("right"))


# ---- drawings ----


def test_bars_are_as_tall_as_the_logarithm_of_their_counts():
    plot = bars({"edges": [0.0, 0.5, 1.0, 2.0], "counts": [999, 99, 0, 9], "nonfinite": 1, "unanswered": 0})
    tall = [bar.height for bar in plot.bars]
    assert tall[0] == pytest.approx(plot.bottom - plot.top)
    assert tall[:4] == pytest.approx([tall[0], tall[0] * 2 / 3, 0, tall[0] / 3], abs=0.02)
    assert [bar.bad for bar in plot.bars] == [False] * 4 + [True]
    assert [bar.label for bar in plot.bars] == ["0", "½", "1", "2", "NaN, ∞"]
    assert [bar.title for bar in plot.bars[:3]] == ["no error", "up to ½ ulp", "above ½, up to 1 ulp"]
    places = [bar.x for bar in plot.bars]
    assert places == sorted(places)
    assert plot.left < places[0]
    assert places[-1] + plot.bars[-1].width < plot.right


def test_a_call_that_fails_is_drawn_above_the_limits():
    report = judged.report("wrong")
    plot = dots(report.cases)
    assert plot.paths["fails"].count("M") == sum(case.fails for case in report.cases)
    assert sum(path.count("M") for path in plot.paths.values()) == len(report.cases)
    assert [grade for grade, _, _ in plot.limits] == ["B", "C"]
    lowest = max(float(y) for y in re.findall(r"[\d.]+ ([-\d.]+)h", plot.paths["fails"]))
    limit = max(float(y) for y in re.findall(r"[MV](?:[\d.]+ )?([\d.]+)h", plot.limits[1][1]))
    assert lowest < limit, "y grows downwards"
    assert dots([]) is None


def test_figures_read_as_people_write_them():
    assert [figure(v) for v in (0, 1, 12.345, 1e-7, float("nan"), float("-inf"))] == [
        "0", "1", "12.3", "1 × 10⁻⁷", "NaN", "−∞",
    ]  # fmt: skip
    assert figure(None) == "–"


# ---- colours ----


def colours():
    """Return the names and values of both themes."""
    style = re.search(r"<style>(.*?)</style>", html(judged.report("right")), re.S)[1]
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in style.split("prefers-color-scheme")[:2])
    return {"light": light, "dark": dark}


def contrast(a, b):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(theme):
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for what is drawn."""
    named = colours()[theme]
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for tone in ("good", "warn", "bad", "none"):
        assert contrast(named[tone], named[f"{tone}-tint"]) >= 4.5, tone
        assert contrast(named["soft"], named[f"{tone}-tint"]) >= 4.5, tone
    for ground in ("page", "card", "well"):
        assert contrast(named["ink"], named[ground]) >= 7
        assert contrast(named["soft"], named[ground]) >= 4.5
    for drawn in ("bar", "warn", "bad", "ink"):
        assert contrast(named[drawn], named["card"]) >= 3, drawn


def test_drawings_and_tables_have_names():
    page = Page(html(judged.report("wrong")))
    assert len(page.tags["svg"]) == 2
    assert all(svg["role"] == "img" and len(svg["aria-labelledby"].split()) == 2 for svg in page.tags["svg"])
    assert all(th.get("scope") in ("col", "row") for th in page.tags["th"])
    assert all("aria-labelledby" in section for section in page.tags["section"])
    assert all(len(page.tags[landmark]) == 1 for landmark in ("header", "main", "footer", "h1"))


# ---- in a browser ----


@pytest.fixture
def chromium(tmp_path):
    """Return a function that opens a page without a window, with the arguments given."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")

    def opened(text, *arguments):
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        # no sandbox: a container lends none, and the page is our own
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        command += [*arguments, (tmp_path / "page.html").as_uri()]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode("utf-8")

    return opened


def test_a_browser_shows_the_page(chromium, tmp_path):
    seen = Page(chromium(html(judged.report("wrong")), "--dump-dom")).text
    assert "Does not conform" in seen
    assert judged.report("wrong").worst.got.hex() in seen
    for name, size in (("desktop", "1200,2400"), ("phone", "500,2400")):
        picture = tmp_path / f"{name}.png"
        chromium(html(judged.report("wrong")), f"--window-size={size}", f"--screenshot={picture}")
        width, height = (int.from_bytes(picture.read_bytes()[i : i + 4], "big") for i in (16, 20))
        assert (width, height) == tuple(map(int, size.split(",")))
        assert picture.stat().st_size > 50_000, "an empty page is a tenth of that"


def test_a_browser_runs_nothing_a_page_holds(chromium):
    ran = "<script>document.title = 'ran'</script></main>"
    bare = "<!doctype html><title>t</title><main>"
    assert "<title>ran" in chromium(bare + ran, "--dump-dom")
    assert "<title>ran" not in chromium(html(judged.report("right")).replace("</main>", ran), "--dump-dom")


def test_a_page_is_no_wider_than_a_phone(chromium):
    for which in ("wrong", "hostile"):
        harness = (
            f'<iframe id="f" width="360" height="800" srcdoc="{escape(html(judged.report(which)))}"></iframe>'
            '<p id="o"></p>'
            "<script>f.onload = () => { o.textContent = f.contentDocument.documentElement.scrollWidth + ' of '"
            " + f.contentWindow.innerWidth }</script>"
        )
        seen = re.search(r'<p id="o">(\d+) of (\d+)</p>', chromium(harness, "--dump-dom", "--virtual-time-budget=5000"))
        assert seen[2] == "360"
        assert int(seen[1]) <= 360, which
