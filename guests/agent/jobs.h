/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: processes that run and files that are read, each under the id the host gave it. */
#ifndef JOBS_H
#define JOBS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBS_LIMIT 256
/* Descriptors the jobs may want polled: stdin, stdout, stderr of each. */
#define JOBS_POLLFDS (3 * JOBS_LIMIT)

/* True while a job of this id has not ended. */
bool job_exists(unsigned long long id);

/* Start a command; `seconds` 0 means no deadline. Errors go to the host. */
void job_run(unsigned long long id, const char *command, double seconds);
void job_start(unsigned long long id, const char *command);

/* Send a file's contents, then `exit ERRNO`. */
void job_read(unsigned long long id, const char *path);

/* The verbs on a running job; silent when it has ended, as the host cannot know that yet. */
void job_input(unsigned long long id, const char *bytes, size_t length);
void job_eof(unsigned long long id);
void job_kill(unsigned long long id, int signal);

/* Fill in what to poll for; returns how many entries were used. */
size_t jobs_poll(struct pollfd *fds);

/* Act on what poll found in those entries. */
void jobs_serve(const struct pollfd *fds, size_t count);

/* Collect the exit statuses of ended processes. */
void jobs_reap(void);

/* Move what needs no polling: ends of jobs, files, deadlines. False when frames ran out of room. */
bool jobs_advance(void);

/* Milliseconds until the next deadline, -1 for none. */
int jobs_timeout(void);

#endif
