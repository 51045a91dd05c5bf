# SPDX-License-Identifier: Apache-2.0
"""A Debian archive: package lists, signatures, build roots."""
