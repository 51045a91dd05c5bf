# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows while tests run."""
