# SPDX-License-Identifier: Apache-2.0
"""For runs in a checkout: the options' short forms, and the plugin where it is not installed."""

from importlib.metadata import entry_points

pytest_plugins = ["hotremove.plugin.short_options"]
if not any(entry.name == "hotremove" for entry in entry_points(group="pytest11")):
    pytest_plugins.insert(0, "hotremove.plugin")
