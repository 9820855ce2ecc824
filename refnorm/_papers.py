"""How much of each paper is held: computed from the registry whenever it is asked, never stored."""

from __future__ import annotations

from ._registry import OPERATORS, papers

__all__ = ["ELSEWHERE", "OPEN", "STATUSES", "held", "judge", "shelf"]

STATUSES = ("held", "partly", "open", "nothing to compute")
OPEN = ("partly", "open")

# What a paper asks for under one name and the registry holds under another.
ELSEWHERE = {
    "grassmann_tangent_project": "subspace_remove",  # (I - S S^T) G: the columns of S, taken off those of G
}


def shelf() -> list[dict]:
    """Return what is known of every paper and how much of it is held, by title."""
    cited = {key: [] for key in papers()}
    for name, operator in OPERATORS.items():
        for key in operator.papers:
            cited[key].append(name)
    return sorted(
        (judge(paper, cited[key]) for key, paper in papers().items()), key=lambda row: row["title"].casefold()
    )


def judge(paper: dict, cited_by: list[str]) -> dict:
    """Say how much of one paper is held, given the operators that cite it.

    An operator that cites a paper is one of its operators, whether or not the paper's own list names it. All must be
    registered, and one of them must cite the paper, for it to be held: operators of the same name may be another's.
    """
    operators = list(dict.fromkeys([*(ELSEWHERE.get(name, name) for name in paper["operators"]), *cited_by]))
    missing = [name for name in operators if not held(name)]
    if "none" in paper and not operators:
        status = "nothing to compute"
    elif len(missing) == len(operators):
        status = "open"
    elif missing or not cited_by:
        status = "partly"
    else:
        status = "held"
    kept = {field: paper[field] for field in ("id", "title", "year", "arxiv", "heart")}
    return kept | {"operators": operators, "missing": missing, "cited_by": cited_by, "status": status}


def held(name: str) -> bool:
    """Say whether a name is an operator, or ``<name>_vjp`` of an operator that has its gradient."""
    forward = OPERATORS.get(name.removesuffix("_vjp"))
    return name in OPERATORS or (forward is not None and forward.gradient is not None)
