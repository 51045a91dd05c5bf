/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"
#include "spawn.h"

#define NO_DEADLINE INT64_MAX
#define NANOSECONDS 1000000000LL
/* Bytes the host may queue for one job's stdin. */
#define INPUT_LIMIT (64u << 20)

/* A descriptor whose bytes go to the host. */
struct stream {
	int fd;
	const char *kind;
	size_t left; /* bytes still to send once the job has ended */
};

/* Bytes on their way to a job's stdin. */
struct input {
	int fd;
	char *bytes;
	size_t length;
	size_t written;
	bool eof;
};

struct job {
	struct job *next;
	unsigned long long id;
	pid_t pid; /* 0: a file being read */
	bool ended;
	int status;
	int64_t deadline;
	struct stream streams[2];
	struct input input;
};

static struct job *jobs;
static size_t count;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static struct job *find(unsigned long long id)
{
	struct job *job = jobs;

	while (job && job->id != id)
		job = job->next;
	return job;
}

bool job_exists(unsigned long long id)
{
	return find(id) != NULL;
}

/* A new job without descriptors; NULL, and the host told, when there are too many. */
static struct job *job_new(unsigned long long id)
{
	struct job *job = count < JOBS_LIMIT ? calloc(1, sizeof(*job)) : NULL;

	if (!job) {
		frame_line("%llu error more than %d jobs at once", id, JOBS_LIMIT);
		return NULL;
	}
	job->id = id;
	job->deadline = NO_DEADLINE;
	job->streams[0] = (struct stream){-1, "out", 0};
	job->streams[1] = (struct stream){-1, "err", 0};
	job->input.fd = -1;
	job->next = jobs;
	jobs = job;
	count++;
	return job;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void job_forget(struct job *job)
{
	struct job **link = &jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	count--;
	close_fd(&job->streams[0].fd);
	close_fd(&job->streams[1].fd);
	close_fd(&job->input.fd);
	free(job->input.bytes);
	free(job);
}

static struct job *job_spawn(unsigned long long id, const char *command, enum stdin_kind kind)
{
	struct job *job = job_new(id);
	struct process process;
	int reason;

	if (!job)
		return NULL;
	reason = spawn(command, kind, &process);
	if (reason) {
		frame_line("%llu error cannot start a process: %s", id, strerror(reason));
		job_forget(job);
		return NULL;
	}
	job->pid = process.pid;
	job->input.fd = process.input;
	job->streams[0].fd = process.output;
	job->streams[1].fd = process.errors;
	return job;
}

void job_run(unsigned long long id, const char *command, double seconds)
{
	struct job *job = job_spawn(id, command, STDIN_EMPTY);

	if (job && seconds > 0)
		job->deadline = now() + (int64_t)(seconds * NANOSECONDS);
}

void job_start(unsigned long long id, const char *command)
{
	struct job *job = job_spawn(id, command, STDIN_PIPE);

	if (job)
		frame_line("%llu pid %d", id, job->pid);
}

void job_read(unsigned long long id, const char *path)
{
	struct job *job;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		frame_line("%llu exit %d", id, errno);
		return;
	}
	job = job_new(id);
	if (!job) {
		close(fd);
		return;
	}
	job->streams[0].fd = fd;
}

static void input_write(struct input *input)
{
	ssize_t written = 0;

	while (input->written < input->length && written >= 0) {
		written = write(input->fd, input->bytes + input->written,
				input->length - input->written);
		if (written > 0)
			input->written += written;
	}
	if (written < 0 && errno == EAGAIN)
		return;
	input->written = input->length = 0;
	if (written < 0 || input->eof)
		close_fd(&input->fd);
}

void job_input(unsigned long long id, const char *bytes, size_t length)
{
	struct job *job = find(id);
	struct input *input;
	char *grown;

	if (!job || job->input.fd < 0 || job->input.eof)
		return;
	input = &job->input;
	grown = input->length + length > INPUT_LIMIT
			? NULL
			: realloc(input->bytes, input->length + length + 1);
	if (!grown) {
		frame_line("%llu error more than %u bytes wait for this job", id, INPUT_LIMIT);
		return;
	}
	input->bytes = grown;
	memcpy(grown + input->length, bytes, length);
	input->length += length;
	input_write(input);
}

void job_eof(unsigned long long id)
{
	struct job *job = find(id);

	if (!job || job->input.fd < 0)
		return;
	job->input.eof = true;
	input_write(&job->input);
}

void job_kill(unsigned long long id, int signal)
{
	struct job *job = find(id);

	if (job && job->pid && !job->ended)
		kill(-job->pid, signal);
}

/* Send one chunk of a stream. Returns false when nothing more is to be had now; sets errno. */
static bool stream_send(unsigned long long id, struct stream *stream, size_t limit)
{
	static char chunk[FRAME_PAYLOAD];
	ssize_t length;

	errno = 0;
	length = read(stream->fd, chunk, limit < sizeof(chunk) ? limit : sizeof(chunk));
	if (length > 0) {
		frame_data(id, stream->kind, chunk, length);
		stream->left -= (size_t)length < stream->left ? (size_t)length : stream->left;
		return true;
	}
	if (length == 0)
		close_fd(&stream->fd);
	return false;
}

/* Files are always ready: read while there is room for frames. */
static void file_advance(struct job *job)
{
	struct stream *stream = &job->streams[0];

	while (frames_room())
		if (!stream_send(job->id, stream, FRAME_PAYLOAD)) {
			frame_line("%llu exit %d", job->id, errno);
			job_forget(job);
			return;
		}
}

static void say_end(const struct job *job)
{
	if (WIFSIGNALED(job->status))
		frame_line("%llu signal %d", job->id, WTERMSIG(job->status));
	else
		frame_line("%llu exit %d", job->id, WEXITSTATUS(job->status));
}

/* Send what lay in the pipes when the process ended, however many still hold them open. */
static void ended_advance(struct job *job)
{
	for (int which = 0; which < 2; which++) {
		struct stream *stream = &job->streams[which];

		while (stream->left) {
			if (!frames_room())
				return;
			if (stream->fd < 0 || !stream_send(job->id, stream, stream->left))
				stream->left = 0;
		}
	}
	say_end(job);
	job_forget(job);
}

static void remember_left(struct job *job)
{
	for (int which = 0; which < 2; which++) {
		int waiting = 0;

		if (job->streams[which].fd >= 0)
			ioctl(job->streams[which].fd, FIONREAD, &waiting);
		job->streams[which].left = waiting;
	}
}

/*
 * The process may sleep where no signal reaches it, so the host is told at once and the job is
 * given up; reaping it later finds no job and says nothing.
 */
static void deadline_passed(struct job *job)
{
	kill(-job->pid, SIGKILL);
	remember_left(job);
	for (int which = 0; which < 2; which++)
		while (job->streams[which].left &&
		       stream_send(job->id, &job->streams[which], job->streams[which].left))
			;
	frame_line("%llu deadline", job->id);
	job_forget(job);
}

bool jobs_advance(void)
{
	struct job *job, *next;
	int64_t time = now();

	for (job = jobs; job; job = next) {
		next = job->next;
		if (!job->pid)
			file_advance(job);
		else if (job->ended)
			ended_advance(job);
		else if (job->deadline <= time)
			deadline_passed(job);
	}
	return frames_room();
}

void jobs_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct job *job = jobs;

		while (job && job->pid != pid)
			job = job->next;
		if (!job)
			continue;
		job->ended = true;
		job->status = status;
		remember_left(job);
	}
}

static size_t want(struct pollfd *fds, size_t used, int fd, short events)
{
	if (fd < 0)
		return used;
	fds[used] = (struct pollfd){.fd = fd, .events = events};
	return used + 1;
}

size_t jobs_poll(struct pollfd *fds)
{
	size_t used = 0;

	for (struct job *job = jobs; job; job = job->next) {
		if (!job->pid || job->ended)
			continue;
		if (job->input.length)
			used = want(fds, used, job->input.fd, POLLOUT);
		if (!frames_room())
			continue;
		used = want(fds, used, job->streams[0].fd, POLLIN);
		used = want(fds, used, job->streams[1].fd, POLLIN);
	}
	return used;
}

static void serve(int fd)
{
	for (struct job *job = jobs; job; job = job->next) {
		if (!job->pid || job->ended)
			continue;
		if (job->input.fd == fd)
			return input_write(&job->input);
		for (int which = 0; which < 2; which++)
			if (job->streams[which].fd == fd) {
				if (frames_room())
					stream_send(job->id, &job->streams[which], FRAME_PAYLOAD);
				return;
			}
	}
}

void jobs_serve(const struct pollfd *fds, size_t used)
{
	for (size_t index = 0; index < used; index++)
		if (fds[index].revents)
			serve(fds[index].fd);
}

int jobs_timeout(void)
{
	int64_t next = NO_DEADLINE, left;

	for (struct job *job = jobs; job; job = job->next)
		if (job->pid && !job->ended && job->deadline < next)
			next = job->deadline;
	if (next == NO_DEADLINE)
		return -1;
	left = (next - now() + 999999) / 1000000;
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
