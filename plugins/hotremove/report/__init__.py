# SPDX-License-Identifier: Apache-2.0
"""From verdicts to the terminal, files and exit codes."""
