"""How the documentation is built: ``make docs``. Needs no network."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
# Pages run the command `mutua` of the environment that builds them.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# The Makefile sets a backend without pictures; the pages show theirs.
os.environ.pop("MPLBACKEND", None)

project = "mutua"
author = "The mutua developers"
copyright = "the mutua developers, BSD-3-Clause"
release = version = version_of("mutua")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "kinds",
    "links",
    "reference",
    "tutorials",
]
exclude_patterns = ["_build", "_ext", "**.ipynb_checkpoints"]
default_role = "name"

# -- docstrings --------------------------------------------------------------------------------
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
maximum_signature_line_length = 72
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False

# Names of other packages, which are not looked up: a build needs no network.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(anndata|collections|matplotlib|np|npt|numpy|os|pandas|pandera|pathlib|pd|torch|xarray|xr)\..*",
    ),
    ("py:class", r"Any|ArrayLike|Axes|Callable|Figure|Iterable|Iterator|Literal|Mapping|NDArray"),
    ("py:class", r"AnnData|Check|Method|Path|Row|Self|Sequence|Target|Tensor|[A-Z]|optional"),
]

# -- pages with code ---------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "auto"  # notebooks that hold their outputs are shown with these
nb_execution_timeout = 600
nb_execution_show_tb = True  # what fails is a warning, hence an error, with its traceback
nb_execution_in_temp = True
nb_merge_streams = True

# -- HTML --------------------------------------------------------------------------------------
html_theme = "sphinx_book_theme"
html_title = "mutua"
html_static_path = ["_static"]
html_css_files = ["mutua.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
