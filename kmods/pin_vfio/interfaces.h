/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef INTERFACES_H
#define INTERFACES_H

/* Each interface's device; one of them is empty. */
int emulated_init(void);
void emulated_exit(void);
int mediated_init(void);
void mediated_exit(void);

#endif
