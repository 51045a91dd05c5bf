/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one write(2) to a file, as sysfs attributes want it, tells when it began and ended (seconds of
 * CLOCK_MONOTONIC) and its errno, and exits with that. SIGTERM only interrupts the write, so that its
 * EINTR can be seen: shells and dd start such a write again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void interrupted(int signal)
{
	(void)signal;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int write_once(const char *text, const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;
	double began = now();

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		error = errno;
	printf("%.6f %.6f %d\n", began, now(), error);
	if (error)
		fprintf(stderr, "%s: %s\n", path, strerror(error));
	return error;
}

int main(int argc, char **argv)
{
	const struct sigaction handler = {.sa_handler = interrupted};

	if (argc != 3) {
		fprintf(stderr, "usage: write_once TEXT PATH\n");
		return EINVAL;
	}
	sigaction(SIGTERM, &handler, NULL);
	return write_once(argv[1], argv[2]);
}
