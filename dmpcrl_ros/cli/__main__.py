"""`python -m dmpcrl_ros.cli`: the command without its script."""

import sys

from dmpcrl_ros.executables import dmpcrl

sys.exit(dmpcrl())
