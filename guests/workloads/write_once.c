/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one write(2) to a file, as sysfs attributes want it, and exits with its errno. SIGTERM only
 * interrupts the write, so that its EINTR can be seen: shells and dd start such a write again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void interrupted(int signal)
{
	(void)signal;
}

static int complain(const char *path)
{
	int error = errno;

	fprintf(stderr, "%s: %s\n", path, strerror(error));
	return error;
}

int main(int argc, char **argv)
{
	const struct sigaction handler = {.sa_handler = interrupted};
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: write_once TEXT PATH\n");
		return EINVAL;
	}
	sigaction(SIGTERM, &handler, NULL);
	fd = open(argv[2], O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, argv[1], strlen(argv[1])) < 0)
		return complain(argv[2]);
	return 0;
}
