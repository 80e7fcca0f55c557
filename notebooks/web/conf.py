"""Sphinx's settings. `build_site.py` runs Sphinx on a prepared copy of this folder."""

project = "Equivariance from scratch"
html_title = "Equivariance from scratch"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["downloads"]  # the notebooks as they are, to be fetched
nb_execution_mode = "off"  # the stored outputs are the truth, and tests compare them
nb_merge_streams = True
nb_code_prompt_show = "Show the imports"  # the only cells that are folded
nb_code_prompt_hide = "Hide the imports"
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_static_path = ["static"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_use_index = False  # the glossary and the search do its work
html_theme_options = {"navigation_with_keys": True}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# Our own copy. Without its menu MathJax loads nothing later, so that one file and the fonts are enough.
mathjax_path = "mathjax/tex-chtml-full.js"
mathjax3_config = {"options": {"enableMenu": False}}
