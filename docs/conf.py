"""The documentation: ``sphinx-build -W docs site``; pages of operators, papers and figures come from the registry."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]  # what the tests know of gaps is shown

import refnorm  # noqa: E402

project = "refnorm"
author = copyright = "The refnorm developers"
release = version = refnorm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "mathml",
    "pages",
]
exclude_patterns = ["templates", "gallery/*.py", "measured"]

html_theme = "pydata_sphinx_theme"
html_title = "refnorm"
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["refnorm.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "papers": []}

autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"/plot_",
    "download_all_examples": False,
    "show_signature": False,
    "capture_repr": (),
    "abort_on_example_error": True,
    "min_reported_time": 1e9,
    "copyfile_regex": r".*\.c",
}
