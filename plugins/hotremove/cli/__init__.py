# SPDX-License-Identifier: Apache-2.0
"""The program `hotremove`: one command a file."""
