# SPDX-License-Identifier: Apache-2.0
"""Processor architectures: all in which kernels, their programs and their guests differ by them."""
