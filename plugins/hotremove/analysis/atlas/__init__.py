# SPDX-License-Identifier: Apache-2.0
"""Which rows come out otherwise from one kernel to the next, and by which upstream change."""
