"""What the documentation says is so: its code runs, its command lines are those of the command, its site is whole."""

import doctest
import functools
import http.server
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest

from refnorm import OPERATORS, norm, prob
from refnorm.__main__ import main, parser

HERE = Path(__file__).parents[1]
PAGES = [HERE / "README.md", *sorted((HERE / "docs").glob("*.md"))]
pytestmark = pytest.mark.skipif(not (HERE / "docs").is_dir(), reason="not a source tree")
# Parts of modules, which the page shows in pieces: they are compiled, and run where they stand in the package.
PIECES = {"add-an-operator.md"}


def readers_kernels():
    """What a reader has: a module of kernels."""
    return {"mykernels": types.SimpleNamespace(**{k: getattr(norm, k) for k in ("layer_norm", "rms_norm")},
                                               softmax=prob.softmax, fast_softmax=prob.softmax)}  # fmt: skip


def readers_model():
    """What a reader has: an ONNX model, and data for it."""
    helper = pytest.importorskip("onnx", reason="onnx is not installed").helper
    x, y = (helper.make_tensor_value_info(name, 1, ("n", 8)) for name in "xy")
    weight = helper.make_tensor("w", 1, (8,), [1.0] * 8)
    graph = helper.make_graph([helper.make_node("LayerNormalization", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    Path("model.onnx").write_bytes(model.SerializeToString())
    return {"x": np.ones((2, 8), "float32")}


READERS = {"reports.md": readers_kernels, "onnx.md": readers_model}


def blocks(page, language) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch):
    for library in ("torch", "dask"):
        if library in "".join(blocks(page, "python")):
            pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem, **READERS.get(page.name, dict)()}
    for i, block in enumerate(blocks(page, "python")):
        where = f"{page.name}, block {i + 1}"
        if page.name in PIECES:
            compile(block, where, "exec")
        elif block.startswith(">>>"):
            ran_as_shown(block, names, where)
        else:
            exec(compile(block, where, "exec"), names)


def ran_as_shown(block, names, where):
    """Run what is typed, and compare with what is shown."""
    said = []
    test = doctest.DocTestParser().get_doctest(block, names, where, None, None)
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert not said, "".join(said)


def test_what_is_shown_wrongly_is_seen():
    with pytest.raises(AssertionError, match="Expected"):
        ran_as_shown(">>> 1 + 1\n3\n", {}, "here")


def command_lines(page) -> list[list[str]]:
    """Return the words of every refnorm command of a page; a backslash goes on."""
    text = "".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [shlex.split(part, comments=True) for line in text.splitlines() for part in line.split("&&")]
    return [words[1:] for words in lines if words[:1] == ["refnorm"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_of_a_page_are_understood(page):
    for words in command_lines(page):
        given = parser().parse_args(words)  # exits where it does not understand
        named = getattr(given, "operator", None) or []
        for name in [named] if isinstance(named, str) else named:
            assert name in OPERATORS or name == "OPERATOR", words


def test_the_start_page_tells_what_happens(tmp_path, monkeypatch, capsys):
    page = HERE / "docs" / "index.md"
    (tmp_path / "mykernel.py").write_text(blocks(page, "python")[0])
    monkeypatch.chdir(tmp_path)
    (words,) = command_lines(page)
    assert main(words) == 1
    said = [but_for_counts(line) for line in capsys.readouterr().out.splitlines()]
    for line in filter(None, blocks(page, "text")[0].splitlines()):
        assert but_for_counts(line) in said
    outside, inside = "keepdims=True)) + eps)", "keepdims=True) + eps))"
    wrong = (tmp_path / "mykernel.py").read_text()
    assert outside in wrong
    (tmp_path / "mykernel.py").write_text(wrong.replace(outside, inside))
    assert main(words) == 0


def but_for_counts(line) -> str:
    """Return a line without how many calls there were and how long they took: both grow with the checker."""
    return re.sub(r"\d[\d.e+]* (?=of|calls|cases|more|yardsticks|s;)", "", line)


# ---- the site ----

BAD = ("error", "warning")
ALONE = """
import socket, sys

def refused(*words):
    raise OSError("the site is built without network")

socket.socket.connect = socket.create_connection = refused
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""


def built(folder) -> float:
    """Build the site with warnings as errors and without network; return the seconds it took."""
    began = time.perf_counter()
    command = [
        sys.executable,
        "-c",
        ALONE,
        "-W",
        "--keep-going",
        "-q",
        "-d",
        folder / "trees",
        HERE / "docs",
        folder / "site",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return time.perf_counter() - began


def served(folder):
    """Serve a folder on a free port of this machine; return the server and its address."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *words: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


def test_the_site_is_built_and_read_in_a_browser(tmp_path):
    """In one test, since the site is built once."""
    for needed in ("sphinx", "sphinx_gallery", "myst_parser", "numpydoc", "matplotlib", "playwright"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    if (chromium := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    assert built(tmp_path) < 300
    server, address = served(tmp_path / "site")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page, said = browser.new_page(), []
        page.on("console", lambda told: said.append(f"{told.text} {told.location}") if told.type in BAD else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if not request.url.startswith(address) else None)
        page.goto(address)
        reader_searches(page, "rms")
        page.get_by_role("link", name="refnorm.norm.rms_norm", exact=True).click()
        page.wait_for_url("**/norm/rms_norm.html*")
        assert page.locator("math[display=block]").first.bounding_box()["height"] > 20
        assert page.locator("table.wide").count() >= 4
        plots = page.locator("img.picture, figure.picture img")
        assert plots.count() >= 2
        assert plots.evaluate_all("all => all.every(image => image.naturalWidth > 99)")
        no_wider_than_a_phone(page, address, tmp_path / "site")
        browser.close()
    server.shutdown()
    assert said == []


def reader_searches(page, word):
    page.get_by_role("button", name="Search").first.click()
    page.keyboard.type(word)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_selector("#search-results a")


def no_wider_than_a_phone(page, address, site):
    page.set_viewport_size({"width": 360, "height": 800})
    some = ["index.html", "operators/norm/index.html", "operators/norm/rms_norm.html", "operators/pool/gem_pool.html",
            "operators/proj/project_simplex.html", "conventions.html", "papers.html", "accuracy.html", "speed.html",
            "discrepancies.html", "performance.html", "examples/index.html"]  # fmt: skip
    for one in some:
        page.goto(f"{address}/{one}")
        wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], (one, wide)
    assert len(list((site / "operators").glob("*/*.html"))) >= len(OPERATORS)
