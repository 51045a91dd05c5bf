/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwards the kernel's log, record by record, to the evidence port. A record is the line that
 * /dev/kmsg gives, `LEVEL,SEQUENCE,MICROSECONDS,FLAGS;TEXT` (Documentation/ABI/testing/dev-kmsg);
 * the dictionary lines behind it are left out. Waits where the host does not read: the kernel's
 * ring holds what is new, and what falls off is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ports.h"

#define PORT_NAME "org.hotremove.evidence"
#define PORT_INSTEAD "/dev/ttyS3"
/* CONSOLE_EXT_LOG_MAX, the longest record the kernel gives. */
#define RECORD_LIMIT 8192

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "evidence: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_line(int port, const char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(port, bytes, length);

		if (written < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOMEM)) {
			usleep(10000);
			continue;
		}
		if (written < 0)
			die(PORT_NAME);
		bytes += written;
		length -= written;
	}
}

static void forward(int kmsg, int port)
{
	static const char lost[] = "4,0,0,-;evidence: records lost, the ring was overrun\n";
	static char record[RECORD_LIMIT + 1];
	ssize_t length = read(kmsg, record, RECORD_LIMIT);
	const char *end;

	if (length < 0 && errno == EPIPE)
		return send_line(port, lost, sizeof(lost) - 1);
	if (length < 0 && (errno == EINTR || errno == EINVAL))
		return;
	if (length <= 0)
		die("/dev/kmsg");
	end = memchr(record, '\n', length);
	if (!end) {
		record[length] = '\n';
		end = record + length;
	}
	send_line(port, record, end - record + 1);
}

int main(void)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	int port = port_open(PORT_NAME, PORT_INSTEAD, O_WRONLY);

	if (kmsg < 0)
		die("/dev/kmsg");
	if (port < 0)
		die(PORT_NAME);
	for (;;)
		forward(kmsg, port);
}
