/* SPDX-License-Identifier: Apache-2.0 */
#include "answers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
	const char *call;
	int number;
} failure;

void answer(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

bool failed_with(const char *call, int number)
{
	failure.call = call;
	failure.number = number;
	return false;
}

bool failed(const char *call)
{
	return failed_with(call, errno);
}

void answer_failure(void)
{
	answer("{\"event\": \"error\", \"call\": \"%s\", \"errno\": %d, \"message\": \"%s\"}",
	       failure.call, failure.number, strerror(failure.number));
}

void answer_misunderstood(const char *why)
{
	answer("{\"event\": \"error\", \"call\": \"command\", \"errno\": %d, \"message\": \"%s\"}",
	       EINVAL, why);
}

double stopwatch(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}
