# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`python -m dmpcrl_ros.cli`: the command without its script."""

import sys

from dmpcrl_ros.executables import dmpcrl

sys.exit(dmpcrl())
