/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: a command line becomes a process group of its own. */
#ifndef SPAWN_H
#define SPAWN_H

#include <sys/types.h>

/* The agent's ends of a process's pipes; `input` is -1 where stdin is empty. */
struct process {
	pid_t pid;
	int input;
	int output;
	int errors;
};

enum stdin_kind { STDIN_EMPTY, STDIN_PIPE };

/* Run `sh -c command`. Returns 0, or an errno. */
int spawn(const char *command, enum stdin_kind kind, struct process *process);

#endif
