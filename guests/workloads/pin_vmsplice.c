/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmsplice: pages put in a pipe stay referenced (FOLL_GET) until somebody reads them. Not a
 * long-term pin for the kernel, so nothing migrates them first.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"
#include "pins.h"

/* A pipe as large as /proc/sys/fs/pipe-max-size lets anybody have; a slot takes one page. */
#define PIPE_BYTES (1ul << 20)

struct pipes {
	size_t count;
	int ends[][2];
};

static void unpin(void *pin)
{
	struct pipes *pipes = pin;

	while (pipes->count--) {
		close(pipes->ends[pipes->count][0]);
		close(pipes->ends[pipes->count][1]);
	}
	free(pipes);
}

static bool splice_all(int pipe, char *address, size_t bytes)
{
	while (bytes) {
		const struct iovec range = {address, bytes};
		ssize_t taken = vmsplice(pipe, &range, 1, SPLICE_F_NONBLOCK);

		if (taken <= 0)
			return failed("vmsplice");
		address += taken;
		bytes -= taken;
	}
	return true;
}

static bool splice_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct pipes *pipes = pin;
	int *ends = pipes->ends[pipes->count];

	(void)request;
	if (pipe2(ends, O_CLOEXEC))
		return failed("pipe2");
	pipes->count++;
	if (fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
		return failed("F_SETPIPE_SZ");
	return splice_all(ends[1], address, bytes);
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, PIPE_BYTES);
	struct pipes *pipes = calloc(1, sizeof(*pipes) + most * sizeof(int[2]));

	if (!pipes) {
		failed("calloc");
		return NULL;
	}
	if (pin_parts(pipes, request, PIPE_BYTES, splice_part, result))
		return pipes;
	unpin(pipes);
	return NULL;
}

const struct pin_path pin_vmsplice = {.name = "vmsplice", .pin = pin, .unpin = unpin};
