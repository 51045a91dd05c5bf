/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define WRITE_FLAGS (O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC)

/* sysfs answers EACCES where it would have to make a file; the truth is that there is none. */
static int open_for_writing(const char *path)
{
	int fd = open(path, WRITE_FLAGS);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open(path, WRITE_FLAGS | O_CREAT, 0755);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		errno = ENOENT;
	return fd;
}

int file_write(const char *path, const char *bytes, size_t length)
{
	int fd = open_for_writing(path);
	int reason = 0;
	ssize_t written;

	if (fd < 0)
		return errno;
	written = write(fd, bytes, length);
	if (written < 0)
		reason = errno;
	else if ((size_t)written < length)
		reason = EIO;
	if (close(fd) && !reason)
		reason = errno;
	return reason;
}

int clock_set(long long seconds, long nanoseconds)
{
	const struct timespec time = {.tv_sec = seconds, .tv_nsec = nanoseconds};

	return clock_settime(CLOCK_REALTIME, &time) ? errno : 0;
}

static int credit(int random, const char *bytes, size_t length)
{
	struct rand_pool_info *pool = malloc(sizeof(*pool) + length);
	int reason = 0;

	if (!pool)
		return ENOMEM;
	pool->entropy_count = length * 8;
	pool->buf_size = length;
	memcpy(pool->buf, bytes, length);
	if (ioctl(random, RNDADDENTROPY, pool) || ioctl(random, RNDRESEEDCRNG))
		reason = errno;
	free(pool);
	return reason;
}

int entropy_add(const char *bytes, size_t length)
{
	int random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	int reason;

	if (random < 0)
		return errno;
	reason = credit(random, bytes, length);
	close(random);
	return reason;
}
