# SPDX-License-Identifier: Apache-2.0
"""What there is to run: every kernel that a source has, named for good."""
