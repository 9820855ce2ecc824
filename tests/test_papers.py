"""The papers: what is entered of each, and how much of it is held."""

import json
import re
import unicodedata
from collections import Counter
from functools import cache

import pytest

from refnorm import OPERATORS
from refnorm.__main__ import main
from refnorm._papers import ELSEWHERE, OPEN, STATUSES, held, judge, shelf
from refnorm._registry import papers

FIELDS = ["id", "title", "authors", "year", "arxiv", "doi", "repo", "heart", "operators"]
WITHOUT_GRADIENT = next(name for name, operator in OPERATORS.items() if operator.gradient is None)


@cache
def rows() -> dict[str, dict]:
    return {row["id"]: row for row in shelf()}


def twice(things) -> list:
    return [thing for thing, n in Counter(things).items() if n > 1]


def plain(title: str) -> str:
    """Take case, accents and punctuation off a title."""
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", title.casefold()))


def made_up(*operators, **more) -> dict:
    told = {"id": "nobody2020made", "title": "Made up", "year": 2020, "arxiv": None, "heart": None}
    return told | {"operators": list(operators)} | more


# ---- what is entered ----


@pytest.mark.parametrize("key", papers())
def test_an_entry_is_whole(key):
    paper = papers()[key]
    assert list(paper) in (FIELDS, [*FIELDS, "none"])
    assert paper["title"] == paper["title"].strip() != ""
    assert paper["year"] is None or 1900 < paper["year"] < 2100
    assert paper["arxiv"] is None or re.fullmatch(r"\d{2}(0[1-9]|1[0-2])\.\d{4,5}", paper["arxiv"])
    assert paper["repo"] is None or paper["repo"].startswith("https://")
    assert all(name.isidentifier() for name in paper["operators"])
    assert not twice(paper["operators"])
    assert rows()[key]["operators"] or paper.get("none"), "a paper with nothing to compute says why"


def test_a_paper_is_entered_once_and_in_its_place():
    assert list(papers()) == sorted(papers())
    assert not twice(paper["arxiv"] for paper in papers().values() if paper["arxiv"])
    assert not twice(plain(paper["title"]) for paper in papers().values())


def test_a_second_entry_is_seen():
    assert twice(map(plain, ["Poincaré ResNet", "POINCARE-RESNET.", "ResNet"])) == ["poincareresnet"]


# ---- how much is held ----


@pytest.mark.parametrize("key", papers())
def test_a_row_and_the_registry_agree(key):
    row = rows()[key]
    assert row["status"] in STATUSES
    assert row["cited_by"] == [name for name in OPERATORS if key in OPERATORS[name].papers]
    assert set(row["cited_by"]) <= set(row["operators"])
    for name in papers()[key]["operators"]:
        known = ELSEWHERE.get(name, name)
        assert known in row["operators"]
        forward = OPERATORS.get(known.removesuffix("_vjp"))
        registered = known in OPERATORS or (known.endswith("_vjp") and forward and forward.gradient)
        assert (known in row["missing"]) == (not registered)
    if row["status"] == "held":
        assert not row["missing"]
        assert row["cited_by"]
    if row["status"] == "open":
        assert row["missing"] == row["operators"] != []


def test_every_paper_is_on_the_shelf_by_title():
    titles = [row["title"].casefold() for row in shelf()]
    assert titles == sorted(titles)
    assert rows().keys() == papers().keys()


def test_other_names_are_needed_and_lead_somewhere():
    asked = {name for paper in papers().values() for name in paper["operators"]}
    for name, known in ELSEWHERE.items():
        assert name in asked
        assert name not in OPERATORS
        assert held(known)


@pytest.mark.parametrize(
    ("paper", "cited_by", "status", "missing"),
    [
        (made_up("no_such_operator"), [], "open", ["no_such_operator"]),
        (made_up("no_such_operator", "rms_norm"), [], "partly", ["no_such_operator"]),
        (made_up("no_such_operator"), ["rms_norm"], "partly", ["no_such_operator"]),
        (made_up("rms_norm"), [], "partly", []),  # of that name, but nobody says that it is this paper's
        (made_up("rms_norm"), ["rms_norm"], "held", []),
        (made_up(), ["rms_norm"], "held", []),
        (made_up("rms_norm", "rms_norm_vjp"), ["rms_norm"], "held", []),
        (made_up("rms_norm", f"{WITHOUT_GRADIENT}_vjp"), ["rms_norm"], "partly", [f"{WITHOUT_GRADIENT}_vjp"]),
        (made_up("grassmann_tangent_project"), ["subspace_remove"], "held", []),
        (made_up(none="Prompts alone."), [], "nothing to compute", []),
        (made_up(none="Prompts alone."), ["rms_norm"], "held", []),
    ],
)
def test_the_rule(paper, cited_by, status, missing):
    row = judge(paper, cited_by)
    assert (row["status"], row["missing"]) == (status, missing)


# ---- the command ----


def test_the_papers_can_be_listed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["papers"]) == 0
    shown = capsys.readouterr().out
    assert all(row["title"] in shown for row in rows().values())
    assert all(name in shown for row in rows().values() for name in row["operators"])
    assert f"\n{len(rows())} papers: " in shown
    for status, n in Counter(row["status"] for row in rows().values()).items():
        assert f"{n} {status}" in shown.splitlines()[-1]


def test_what_is_open_can_be_listed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    wanted = {key: row for key, row in rows().items() if row["status"] in OPEN}
    assert main(["papers", "--open"]) == 0
    shown = capsys.readouterr().out
    assert all(row["title"] in shown for row in wanted.values())
    assert all(name in shown for row in wanted.values() for name in row["missing"])
    assert f"\n{len(wanted)} papers: " in shown
    assert " held" not in shown.splitlines()[-1]
    assert main(["papers", "--open", "--json"]) == 0
    assert {row["id"]: row for row in json.loads(capsys.readouterr().out)} == wanted


def test_the_papers_go_to_a_file_as_json(capsys, tmp_path):
    file = tmp_path / "papers.json"
    assert main(["papers", "--json", str(file)]) == 0
    assert capsys.readouterr().out == ""
    written = json.loads(file.read_text("utf-8"))
    assert {row["id"]: row for row in written} == rows()
    fields = ["id", "title", "year", "arxiv", "heart", "operators", "missing", "cited_by", "status"]
    assert all(list(row) == fields for row in written)


def test_a_file_that_cannot_be_written_exits_2(capsys, tmp_path):
    assert main(["papers", "--json", str(tmp_path / "no" / "such.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_option_that_there_is_not_exits_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["papers", "--shut"])
    assert stop.value.code == 2
