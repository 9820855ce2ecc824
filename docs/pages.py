"""Pages written from the registry and from docs/measured before the site is built: operators, conventions, papers."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import charts
import jinja2
import pictures
from sphinx.util.display import status_iterator

from refnorm._papers import STATUSES, shelf
from refnorm._registry import OPERATORS, WINGS, papers

HERE = Path(__file__).parent
MADE = HERE / "operators"
MARKS = re.compile(r"``.+?``|`.+?`|(?<!\w)\*\w+\*(?!\w)|[*|]")  # literals and *emphasis*, else a sign that is itself
WING = {
    "norm": "Rescale by a statistic of itself; shape in, same shape out",
    "pool": "Summarise a set, window, segment or grid by fewer values, and gate by such summaries",
    "proj": "Map into a subspace, a lower dimension or a constraint set",
    "prob": "Turn scores into distributions, and distributions into one another",
}


def setup(app):
    app.connect("builder-inited", lambda app: write_all())
    app.connect("autodoc-process-docstring", plainly, priority=1)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_all() -> None:
    measured = records("accuracy.jsonl")
    for op in status_iterator(OPERATORS.values(), "pages of operators... ", length=len(OPERATORS), stringify_func=str):
        write(MADE / op.wing / f"{op.name}.rst", operator_page(op.load_card(), measured))
    write_contents()
    write(HERE / "conventions.rst", conventions_page())
    write(HERE / "accuracy.rst", accuracy_page(measured))
    write(HERE / "papers.rst", papers_page())
    write(HERE / "speed.rst", speed_page())


def write(path: Path, text: str) -> None:
    """Write a page where it says something new: Sphinx reads again what has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def records(name: str) -> list[dict]:
    """Return what a command measured, one record a line; nothing where it was not run."""
    path = HERE / "measured" / name
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@functools.cache
def timed() -> list[dict]:
    """Return what peers.py measured: read once for all pages."""
    path = HERE / "measured" / "speed.json"
    return json.loads(path.read_text("utf-8"))["records"] if path.exists() else []


# ---- operators ----


def operator_page(op, measured) -> str:
    mine = [r for r in measured if r["operator"] == op.name]
    folder = MADE / op.wing
    beside = next((r["float32"] for r in mine if "float32" in r), None)
    return TEMPLATES.get_template("operator.rst.jinja").render(
        op=op,
        picture=picture_of(op.name, folder / f"{op.name}.svg"),
        chart=charts.errors(beside, folder / f"{op.name}-errors.svg").name if beside else None,
        conventions=[
            [framework, code(keywords(options)), op.notes[framework]] for framework, options in op.conventions.items()
        ],
        mistakes=[[m.name, m.kind] for m in op.mistakes],
        exact=[
            [r["dtype"], r["lane"], f"{r['error']:.3f} {r['unit']}", r["data"], r["rows"]] for r in mine if "dtype" in r
        ],
        fast=[
            [
                r["case"],
                f"{r['family']}: {r['call']}",
                f"{r['ours_us']:,.1f}",
                f"{r['theirs_us']:,.1f}",
                f"{r['ratio']:.2f}",
            ]
            for r in timed()
            if r["operator"] == op.name
        ],
        libraries=where_it_runs(op),
        papers=[cited(papers()[key]) for key in op.papers],
    )


def rival(record: dict) -> str:
    return f"{record['family']}: {record['call']}"


def image(path: Path, shows: str) -> str:
    """Return a chart of the folder of operators, for a page above it."""
    return f".. image:: {path.relative_to(HERE)}\n   :alt: {shows}\n   :class: picture"


def picture_of(name: str, path: Path) -> dict | None:
    """Draw an operator where there is something to see; return the file and what it shows."""
    if name not in pictures.PICTURES:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures.draw(name, path)
    return {"file": path.name, "shows": pictures.caption(name)}


def where_it_runs(op) -> list[list[str]]:
    """Return what the suite asks of an operator, library by library; the gaps are those that its tests expect."""
    from known_gaps import GAPS

    lanes = "formula and kernel" if op.kernel else "formula"
    sampled = "of one operator a module in every run of the suite, of all with -m full"
    known = {"NumPy": f"{lanes}; every case tested", "array-api-strict": "formula; tested"}
    known["torch"] = f"formula; tested; under torch.compile {sampled}"
    if op.kernel:
        known["torch"] = f"{known['torch']}; the kernel on CPU tensors that need no gradient"
    known["JAX"] = f"formula; under jit {sampled}"
    for (name, library, dtype, case), why in GAPS.items():
        if name == op.name:
            shown = next(shown for shown in known if shown.lower().startswith(library))
            known[shown] += f"; but in {dtype}, case '{case}': {why}"
    lazily = "formula, lazily; chunks it cannot work on are refused, with those it needs; tested like torch.compile"
    rest = {"dask": lazily, "CuPy": "by the array API; not in the suite"}
    return [[library, what] for library, what in (known | rest).items()]


def write_contents() -> None:
    """Write the page of each wing, and the one that leads to them."""
    for wing in WINGS:
        rows, names = [], []
        for op in (op for op in OPERATORS.values() if op.wing == wing):
            marks = [word for word, there in (("kernel", op.kernel), ("gradient", op.gradient)) if there]
            rows.append([page_of(op), summary(op), ", ".join(marks)])
            names.append(f"   {op.name}")
        listed = ".. toctree::\n   :hidden:\n\n" + "\n".join(names)
        parts = [title_line(f"refnorm.{wing}"), WING[wing], table([["operator", "what it does", ""]], rows), listed]
        write(MADE / wing / "index.rst", "\n\n".join(parts))
    lead = f"{len(OPERATORS)} operators; ``refnorm list`` prints them, ``refnorm show OPERATOR`` one."
    wings = "\n".join(f"   {wing}/index" for wing in WINGS)
    about = "\n\n".join(f":doc:`refnorm.{wing} <{wing}/index>`\n   {said}" for wing, said in WING.items())
    write(
        MADE / "index.rst",
        "\n\n".join([title_line("Operators"), lead, about, f".. toctree::\n   :hidden:\n\n{wings}\n"]),
    )


def summary(op) -> str:
    """Return the first sentence of a docstring, up to the blank line."""
    return " ".join(op.function.__doc__.strip().split("\n\n")[0].split())


def plainly(app, what, name, obj, options, lines: list[str]) -> None:
    """Let stars and bars of a docstring stand for themselves: shapes such as (N, *spatial), sizes such as |x|."""
    inside = -1  # the indent of the formula a line belongs to
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= inside:
            inside = -1
        if ".. math::" in line:
            inside = indent
        if inside < 0 and not line.lstrip().startswith((">>>", "...")):
            lines[i] = MARKS.sub(lambda m: m[0] if m[0] not in "*|" else "\\" + m[0], line)


# ---- tables of everything ----


def conventions_page() -> str:
    parts = [
        title_line("Conventions of frameworks and papers"),
        "With these keyword values an operator answers as the framework does; ``refnorm.convention(framework,"
        " operator)`` returns them, ``refnorm conventions OPERATOR`` prints them, and ``refnorm check OPERATOR"
        " --convention NAME`` judges by them.",
    ]
    for op in OPERATORS.values():
        if op.load_card().conventions:
            rows = [[who, code(keywords(options)), op.notes[who]] for who, options in op.conventions.items()]
            parts += [section(op.name), table([["whose", "keywords", "note"]], rows)]
    return "\n\n".join(parts)


def accuracy_page(measured) -> str:
    """Return one table of the largest float32 errors of the faster lane, and one chart of all operators."""
    rows = [
        [page_of(OPERATORS[r["operator"]]), r["lane"], f"{r['error']:.4f}", r["data"], r["rows"]]
        for r in measured
        if r.get("dtype") == "float32" and r["operator"] in OPERATORS
    ]  # fmt: skip
    parts = [
        title_line("Accuracy"),
        "The largest float32 error in ulp, against long double, over nine kinds of hard data in rows of 37, 1024 and"
        " 5001: normal, of mean 1e4 and 1e6, with outliers, near 1e30, among the denormals, constant, spread over 30"
        " decades. What is promised is 0.51, and 0.55 for softmax; where one unit of the input moves the answer by a"
        " million of its own, 1.5; a decomposition is judged as a whole (:doc:`add-an-operator`).",
        ".. code-block:: sh\n\n   python tests/test_accuracy.py --json docs/measured/accuracy.jsonl",
    ]
    beside = {r["operator"]: r["float32"] for r in measured if "float32" in r}
    if beside:
        chart = charts.everybody(beside, MADE / "everybody.svg")
        parts += [
            image(chart, "Largest float32 errors here and elsewhere"),
            "A point is an operator and one kind of data: the error of plain NumPy or torch in float32, against ours.",
        ]
    return "\n\n".join([*parts, table([["operator", "lane", "ulp", "on", "rows of"]], rows)])


def speed_page() -> str:
    """Return the measured ratios as a chart, and the command that measures them."""
    fastest = {}
    for r in timed():
        fastest[r["case"]] = min(fastest.get(r["case"], r), r, key=lambda r: r["ratio"])
    parts = [
        title_line("Speed against the fastest peer"),
        "How many times faster than the fastest of torch, torch.compile, onnxruntime, JAX, numba and NumPy, one thread,"
        " float32, by the time that the process was charged on a shared machine with AVX2; ours exact to 0.51 ulp"
        " (softmax 0.55). Below 1 the peer is faster. :doc:`performance` has other machines.",
        ".. code-block:: sh\n\n   python asv_bench/peers.py --threads 1 --seconds 0.5 --clock cpu --json \\\n"
        "       > docs/measured/speed.json",
    ]
    if fastest:
        chart = charts.ratios(list(fastest.values()), MADE / "ratios.svg")
        parts.append(
            f".. image:: operators/{chart.name}\n   :alt: Ratio to the fastest peer, case by case\n   :class: picture"
        )
    rows = [[r["case"], rival(r), f"{r['ratio']:.2f}"] for r in fastest.values()]
    return "\n\n".join([*parts, table([["case", "fastest peer", "ours is x times as fast"]], rows)])


def papers_page() -> str:
    """Return every paper under its status, with what can be computed of it and where it is."""
    rows = shelf()
    many = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    counted = ", ".join(f"{n} {status}" for status, n in many.items())
    lead = f"{len(rows)} papers: {counted}. ``refnorm papers`` prints them, ``refnorm papers --open`` what is missing."
    parts = [title_line("Papers"), lead]
    head = [["paper", "what is computed", "operators; missing ones in italics"]]
    for status in (status for status in STATUSES if many[status]):
        cells = [[cited(papers()[r["id"]]), r["heart"] or "", links(r)] for r in rows if r["status"] == status]
        parts += [section(status.capitalize()), table(head, cells)]
    return "\n\n".join(parts)


def links(row: dict) -> str:
    """Return the operators of a paper, linked where they are registered."""
    there = [name for name in row["operators"] if name not in row["missing"]]
    where = {name: OPERATORS[name if name in OPERATORS else name.removesuffix("_vjp")] for name in there}
    shown = [page_of(op, name) for name, op in where.items()]
    return Markup(", ".join([*shown, *(f"*{name}*" for name in row["missing"])]))


def cited(paper: dict) -> str:
    """Return a paper with the link that leads to it."""
    where = f"https://arxiv.org/abs/{paper['arxiv']}" if paper.get("arxiv") else ""
    where = f"https://doi.org/{paper['doi']}" if paper.get("doi") else where
    authors = paper.get("authors") or []
    who = f"{authors[0]} et al., " if len(authors) > 2 else f"{' and '.join(authors)}, " if authors else ""
    name = text(paper["title"])
    linked = f"`{name} <{where}>`__" if where else f"*{name}*"
    year = f", {paper['year']}" if paper["year"] else ""
    return Markup(f"{text(who)}{linked}{year}")


# ---- reStructuredText ----


class Markup(str):
    """Text that is reStructuredText already."""


def text(said) -> str:
    """Return somebody's words so that no character of them is markup."""
    return said if isinstance(said, Markup) else "".join(f"\\{c}" if c in r"\`*_|<>" else c for c in str(said))


def code(said: str) -> str:
    return Markup(f"``{said}``" if said else "")


def page_of(op, shown: str = "") -> str:
    return Markup(f":doc:`{shown or op.name} </operators/{op.wing}/{op.name}>`")


def keywords(options: dict) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in options.items())


def title_line(said: str, under: str = "=") -> str:
    return f"{said}\n{under * len(said)}"


def section(said: str) -> str:
    return title_line(said, "-")


def table(head: list[list], rows: list[list]) -> str:
    """Return a list table."""
    if not rows:
        return ""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: wide", ""]
    for row in head + rows:
        for i, cell in enumerate(row):
            lines.append(f"   {'*' if i == 0 else ' '} - {text(cell)}")
    return "\n".join(lines) + "\n"


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters.update(title_line=title_line, section=section, table=table)
