"""Public signatures do not move unannounced: they stand in a file, and what changes it belongs in the changelog.

``python tests/test_signatures.py`` writes the file again after a change that is meant.
"""

import inspect
from pathlib import Path

import pytest

import refnorm
from refnorm import OPERATORS
from refnorm._registry import WINGS

HERE = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("signatures.txt")
pytestmark = pytest.mark.skipif(not KEPT.exists(), reason="not a source tree")


def signatures() -> list[str]:
    """Return a line a public function, in the order of the alphabet."""
    public = {name: getattr(refnorm, name) for name in refnorm.__all__ if name not in (*WINGS, "OPERATORS")}
    for op in OPERATORS.values():
        for function in filter(None, (op.function, op.gradient)):
            public[f"{op.wing}.{function.__name__}"] = function
    for wing in WINGS:
        module = getattr(refnorm, wing)
        public |= {f"{wing}.{name}": getattr(module, name) for name in module.__all__}
    return sorted(f"{name}{inspect.signature(function)}" for name, function in public.items() if callable(function))


def test_signatures_are_those_on_record():
    gone = sorted(set(KEPT.read_text("utf-8").splitlines()) - set(signatures()))
    new = sorted(set(signatures()) - set(KEPT.read_text("utf-8").splitlines()))
    assert not gone, f"gone or changed, which the changelog must say; then run {Path(__file__).name}: {gone}"
    assert not new, f"not on record yet; run {Path(__file__).name}: {new}"


def test_a_default_that_moves_is_seen(monkeypatch):
    def layer_norm(x, weight=None, bias=None, /, *, axis=-1, eps=1e-3, out=None):
        """Another eps."""

    monkeypatch.setattr(OPERATORS["layer_norm"], "function", layer_norm)
    monkeypatch.setattr(refnorm.norm, "layer_norm", layer_norm)
    with pytest.raises(AssertionError, match=r"gone or changed.*norm\.layer_norm"):
        test_signatures_are_those_on_record()


if __name__ == "__main__":
    KEPT.write_text("\n".join(signatures()) + "\n", "utf-8")
