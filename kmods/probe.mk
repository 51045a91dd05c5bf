# SPDX-License-Identifier: GPL-2.0-only
# What the kernel's headers offer is found by compiling, as vendors backport interfaces:
# $(call probe,NAME) gives -DHAVE_NAME when probes/NAME.c compiles.
probes := $(dir $(lastword $(MAKEFILE_LIST)))probes
probe = $(if $(shell $(CC) $(NOSTDINC_FLAGS) $(LINUXINCLUDE) $(KBUILD_CPPFLAGS) $(KBUILD_CFLAGS) \
	$(KBUILD_CFLAGS_MODULE) -DKBUILD_MODNAME='"probe"' -DKBUILD_BASENAME='"probe"' -Wno-error \
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
	-Werror=int-conversion -fsyntax-only $(probes)/$(1).c 2>/dev/null && echo yes),-DHAVE_$(1))
