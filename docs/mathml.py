"""Formulas as MathML, which browsers draw by themselves: no script, no font and no network is needed."""

import re
from html import escape

from latex2mathml.converter import convert

SIZES = re.compile(r"\\[bB]igg?[lrm]?(?![A-Za-z])")  # MathML stretches its fences by itself


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def mathml(latex: str, display: str) -> str:
    """Return a formula as MathML; what the converter does not know is an error of the build, not a hole in a page."""
    made = convert(SIZES.sub("", latex).replace(r"\arg", r"\operatorname{arg}"), display=display)
    if "\\" in made:
        raise ValueError(f"no MathML for a part of {latex!r}: {made}")
    return made.replace("<math ", f'<math aria-label="{escape(latex.strip())}" ', 1)


def inline(translator, node):
    translator.body.append(mathml(node.astext(), "inline"))
    raise _seen()


def block(translator, node):
    translator.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise _seen()


def _seen():
    from docutils.nodes import SkipNode

    return SkipNode()
