# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Protocols without I/O, and the foundations that all methods and systems share."""
