/* SPDX-License-Identifier: Apache-2.0 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The child's ends of the pipes. */
struct ends {
	int input;
	int output;
	int errors;
};

/* The agent is exempt from the OOM killer; what it runs is not. */
static void become_killable(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0)
		_exit(126);
	close(fd);
}

/* Runs in the vfork child: system calls only, no change to the parent's memory. */
static _Noreturn void become(const char *command, const struct ends *ends)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	sigset_t none;

	setpgid(0, 0);
	dup2(ends->input, STDIN_FILENO);
	dup2(ends->output, STDOUT_FILENO);
	dup2(ends->errors, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	become_killable();
	execve("/bin/sh", (char *const *)argv, environ);
	_exit(127);
}

static void close_both(int pipe[2])
{
	for (int end = 0; end < 2; end++)
		if (pipe[end] >= 0)
			close(pipe[end]);
}

/* The agent must not block on its end; the process gets ordinary, blocking ends. */
static int open_pipe(int ends[2], int ours)
{
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	return fcntl(ends[ours], F_SETFL, O_NONBLOCK);
}

static int open_input(enum stdin_kind kind, int ends[2])
{
	if (kind == STDIN_PIPE)
		return open_pipe(ends, 1);
	ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return ends[0] < 0 ? -1 : 0;
}

int spawn(const char *command, enum stdin_kind kind, struct process *process)
{
	int input[2] = {-1, -1}, output[2] = {-1, -1}, errors[2] = {-1, -1};
	struct ends ends;
	int reason;

	process->pid = -1;
	if (open_input(kind, input) || open_pipe(output, 0) || open_pipe(errors, 0))
		goto fail;
	ends = (struct ends){input[0], output[1], errors[1]};
	process->pid = vfork();
	if (process->pid == 0)
		become(command, &ends);
	if (process->pid < 0)
		goto fail;
	process->input = input[1];
	process->output = output[0];
	process->errors = errors[0];
	close(input[0]);
	close(output[1]);
	close(errors[1]);
	return 0;

fail:
	reason = errno;
	close_both(input);
	close_both(output);
	close_both(errors);
	return reason;
}
