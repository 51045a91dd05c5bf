/* SPDX-License-Identifier: Apache-2.0 */
/* What can become of a process that holds pins. */
#ifndef LIVES_H
#define LIVES_H

#include <stdbool.h>
#include <sys/types.h>

/* Be the same program anew (execve), with memory of a page; returns, false, only after failed(). */
bool exec_again(void);

/*
 * A process that does nothing, with this one's memory and files (CLONE_VM, CLONE_FILES), which live
 * on in it; -1 after failed(). What is sent to this one's group does not reach it.
 */
pid_t share_mm(void);

#endif
