# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Launch files of systems. The only room that needs launch and launch_ros."""
