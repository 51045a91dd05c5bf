/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O without a pause on memory that others have mapped, which the kernel pins for as long as each
 * call lasts:
 *
 *	io_loop direct SHARED FILE	reads FILE with O_DIRECT into SHARED's pages, which are written
 *					to it first, so that they never change
 *	io_loop process PID ADDRESS BYTES	process_vm_readv(2) of another process
 *
 * Says `begun` after the first pass, and `PASSES SECONDS` when it is told to end by SIGTERM: how
 * often it went through all of the memory, and how long the longest call took.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

struct io {
	bool (*move)(const struct io *io, size_t offset);
	char *memory;
	size_t bytes;
	int fd;
	pid_t pid;
};

static volatile sig_atomic_t told_to_end;

static void note_end(int number)
{
	(void)number;
	told_to_end = 1;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static bool read_direct(const struct io *io, size_t offset)
{
	return pread(io->fd, io->memory + offset, CHUNK, offset) == CHUNK;
}

static bool read_process(const struct io *io, size_t offset)
{
	static char copy[CHUNK];
	struct iovec here = {copy, CHUNK}, there = {io->memory + offset, CHUNK};

	return process_vm_readv(io->pid, &here, 1, &there, 1, 0) == CHUNK;
}

static double pass(const struct io *io)
{
	double longest = 0;

	for (size_t offset = 0; offset + CHUNK <= io->bytes && !told_to_end; offset += CHUNK) {
		double start = now();

		if (!io->move(io, offset))
			fail("read");
		if (now() - start > longest)
			longest = now() - start;
	}
	return longest;
}

static void open_direct(struct io *io, const char *shared, const char *file)
{
	int fd = open(shared, O_RDWR);
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		fail(shared);
	io->bytes = status.st_size;
	io->memory = mmap(NULL, io->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	io->fd = open(file, O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (io->memory == MAP_FAILED || io->fd < 0)
		fail(file);
	if (pwrite(io->fd, io->memory, io->bytes, 0) != (ssize_t)io->bytes)
		fail("write");
	io->move = read_direct;
}

static bool take_words(struct io *io, int count, char **words)
{
	if (count == 4 && !strcmp(words[1], "direct")) {
		open_direct(io, words[2], words[3]);
		return true;
	}
	if (count != 5 || strcmp(words[1], "process"))
		return false;
	io->move = read_process;
	io->pid = atoi(words[2]);
	io->memory = (char *)strtoull(words[3], NULL, 0);
	io->bytes = strtoull(words[4], NULL, 0);
	return true;
}

int main(int count, char **words)
{
	struct io io = {0};
	struct sigaction end = {.sa_handler = note_end, .sa_flags = SA_RESTART};
	double longest = 0;
	long passes = 0;

	if (!take_words(&io, count, words)) {
		fputs("io_loop direct SHARED FILE | process PID ADDRESS BYTES\n", stderr);
		return 2;
	}
	sigaction(SIGTERM, &end, NULL);
	for (; !told_to_end; passes++) {
		double took = pass(&io);

		if (took > longest)
			longest = took;
		if (!passes) {
			puts("begun");
			fflush(stdout);
		}
	}
	printf("%ld %.3f\n", passes, longest);
	return 0;
}
