# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings of the site that `make docs` builds.

The source folder is the root of the repository, so that links between the guides, the README and files of the
repository are the same on the site as where the files are read.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = 'dmpcrl_ros'
author = 'dmpcrl_ros developers'
copyright = f'2026 {author}'
release = re.search(r"__version__ = '(.*)'", (ROOT / 'dmpcrl_ros/__init__.py').read_text(encoding='utf-8'))[1]

extensions = ['autoapi.extension', 'myst_parser', 'sphinx.ext.napoleon']
root_doc = 'README'
include_patterns = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.rst', 'docs/*.md', 'docs/api/**']
exclude_patterns = ['.*', '*/.*', 'build', 'install', 'log', 'runs', 'docs/_build']

html_theme = 'furo'
html_title = f'dmpcrl_ros {release}'
html_additional_pages = {'index': 'start.html'}
templates_path = ['_templates']

myst_heading_anchors = 3

autoapi_dirs = [str(ROOT / 'dmpcrl_ros')]
autoapi_root = 'docs/api'
autoapi_options = ['members', 'show-inheritance', 'show-module-summary']
autoapi_member_order = 'bysource'
autoapi_python_class_content = 'class'
autoapi_add_toctree_entry = False
# Its parser does not see constants that are assigned in pairs.
suppress_warnings = ['autoapi.python_import_resolution']
# In docstrings, `name` is code.
default_role = 'code'
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_use_ivar = True

CONTENTS = """
```{toctree}
:hidden:
:caption: Guides

docs/usage
docs/architecture
docs/extending
docs/ros
docs/security
docs/hardware
docs/hosts
docs/faults
docs/reproductions
docs/coordination
docs/learning
docs/benchmarks
```

```{toctree}
:hidden:
:caption: Reference

docs/api/dmpcrl_ros/index
```

```{toctree}
:hidden:
:caption: Project

CONTRIBUTING
CHANGELOG
```
"""


def add_contents(app, docname, source):
    """Add the table of contents to the README, where it would be noise to all other readers."""
    if docname == root_doc:
        source[0] += CONTENTS


def setup(app):
    """Connect the functions above."""
    app.connect('source-read', add_contents)
