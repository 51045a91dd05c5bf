/* SPDX-License-Identifier: Apache-2.0 */
/* A forked child, which shares the memory as fork(2) does and takes the same commands. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answers.h"
#include "commands.h"

static struct {
	pid_t pid; /* 0: there is none */
	FILE *commands;
	FILE *answers;
} child;

/* The parent's descriptors would keep its pins alive. */
static _Noreturn void be_child(int commands, int answers)
{
	dup2(commands, STDIN_FILENO);
	dup2(answers, STDOUT_FILENO);
	syscall(SYS_close_range, 3u, ~0u, 0u);
	clearerr(stdin);
	pins_forget();
	commands_run();
	_exit(0);
}

static bool start(int commands[2], int answers[2])
{
	child.pid = fork();
	if (child.pid == 0)
		be_child(commands[0], answers[1]);
	close(commands[0]);
	close(answers[1]);
	child.commands = fdopen(commands[1], "w");
	child.answers = fdopen(answers[0], "r");
	return child.pid > 0 || failed("fork");
}

void command_fork(void)
{
	int commands[2], answers[2];

	if (child.pid)
		return answer_misunderstood("there is a child already");
	if (pipe2(commands, O_CLOEXEC) || pipe2(answers, O_CLOEXEC)) {
		failed("pipe2");
		return answer_failure();
	}
	if (!start(commands, answers)) {
		child.pid = 0;
		return answer_failure();
	}
	answer("{\"event\": \"forked\", \"pid\": %d}", child.pid);
}

/* The child's answer is passed on as it is. */
void command_child(void)
{
	const char *command = strtok(NULL, "");
	char *line = NULL;
	size_t size = 0;

	if (!child.pid || !command)
		return answer_misunderstood("child takes a command, for a child there is");
	fprintf(child.commands, "%s\n", command);
	fflush(child.commands);
	if (getline(&line, &size, child.answers) > 0)
		answer("%.*s", (int)strcspn(line, "\n"), line);
	else
		answer_misunderstood("the child has ended");
	free(line);
}

void command_reap(void)
{
	int status;

	if (!child.pid)
		return answer_misunderstood("there is no child");
	fclose(child.commands);
	fclose(child.answers);
	waitpid(child.pid, &status, 0);
	child.pid = 0;
	answer("{\"event\": \"reaped\", \"status\": %d}", status);
}
