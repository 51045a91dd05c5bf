# SPDX-License-Identifier: Apache-2.0
"""The farm: what one process works with, several workers, several machines."""
