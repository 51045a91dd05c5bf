# SPDX-License-Identifier: Apache-2.0
"""Loads the plugin for a run in a checkout where it is not installed."""

from importlib.metadata import entry_points

if not any(entry.name == "hotremove" for entry in entry_points(group="pytest11")):
    pytest_plugins = ["hotremove.plugin"]
