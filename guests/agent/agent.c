/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of the control channel: runs what the host asks for and sends back what comes
 * of it, in frames. docs/guest-protocol.md holds the protocol.
 *
 * One thread, one poll loop, no wait anywhere else. Where the host does not read, output stays in
 * the pipes of the jobs and requests stay in the port.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "frames.h"
#include "jobs.h"
#include "ports.h"
#include "requests.h"

#define PORT_NAME "org.hotremove.control"
#define PORT_INSTEAD "/dev/ttyS2"

enum { PORT, CHILDREN, FIRST_JOB };

static int port = -1;
/*
 * A port whose host end is closed is always ready for poll (POLLHUP). Then this descriptor, an
 * edge-triggered epoll of the port, is polled in its stead: it stirs when the state changes.
 */
static int port_change = -1;
static bool host_open;
/* Some job stopped for want of room in the queue of frames, and nothing polled will wake it. */
static bool starved;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_port(const char *instead)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};

	port = port_open(PORT_NAME, instead, O_RDWR | O_NONBLOCK);
	if (port < 0)
		die(PORT_NAME);
	port_change = epoll_create1(EPOLL_CLOEXEC);
	if (port_change < 0 || epoll_ctl(port_change, EPOLL_CTL_ADD, port, &event))
		port_change = -1;
}

static int open_children(void)
{
	sigset_t children;
	int fd;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd");
	return fd;
}

/* Jobs get pipes for 0, 1 and 2, so these numbers must be taken in the agent. */
static void take_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

/* The agent must outlive what it watches. */
static void refuse_oom_kill(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "-1000", 5) < 0)
		fprintf(stderr, "agent: the OOM killer may take it: %s\n", strerror(errno));
	close(fd);
}

static void take_requests(void)
{
	static char bytes[65536];
	ssize_t length;

	while (frames_room() && (length = read(port, bytes, sizeof(bytes))) > 0)
		requests_take(bytes, length);
}

static void notice_host(short events)
{
	bool open = !(events & POLLHUP);

	if (open == host_open)
		return;
	host_open = open;
	if (open) {
		frames_announce();
	} else {
		take_requests();
		requests_reset();
		frames_rewind();
	}
}

/* The state of the port now, without waiting. */
static short port_state(void)
{
	struct pollfd now = {.fd = port, .events = POLLIN};

	return poll(&now, 1, 0) < 0 ? POLLHUP : now.revents;
}

static void forget_change(void)
{
	struct epoll_event event;

	while (epoll_wait(port_change, &event, 1, 0) > 0)
		;
}

static struct pollfd port_wish(void)
{
	struct pollfd wish = {.fd = port};

	if (!host_open)
		return (struct pollfd){.fd = port_change, .events = POLLIN};
	if (frames_room())
		wish.events |= POLLIN;
	if (frames_pending())
		wish.events |= POLLOUT;
	return wish;
}

static void serve_port(short events)
{
	if (!events)
		return;
	if (!host_open)
		forget_change();
	notice_host(host_open ? events : port_state());
	if (host_open)
		take_requests();
}

static void serve_children(int children)
{
	struct signalfd_siginfo signals[8];

	while (read(children, signals, sizeof(signals)) > 0)
		;
	jobs_reap();
}

/* Without an epoll of the port, look at it this often while the host end is closed. */
static int timeout(void)
{
	const int look = 100;
	int next = jobs_timeout();

	if (starved && frames_room())
		return 0;
	if (host_open || port_change >= 0)
		return next;
	return next < 0 || next > look ? look : next;
}

static void turn(int children)
{
	static struct pollfd fds[FIRST_JOB + JOBS_POLLFDS];
	size_t used;

	fds[PORT] = port_wish();
	fds[CHILDREN] = (struct pollfd){.fd = children, .events = POLLIN};
	used = jobs_poll(fds + FIRST_JOB);
	if (poll(fds, FIRST_JOB + used, timeout()) < 0 && errno != EINTR)
		die("poll");
	/* Requests first: jobs fill whatever room there is. */
	serve_port(port_change < 0 && !host_open ? POLLIN : fds[PORT].revents);
	jobs_serve(fds + FIRST_JOB, used);
	if (fds[CHILDREN].revents)
		serve_children(children);
	starved = !jobs_advance();
	if (host_open)
		frames_send(port);
}

/* A path on the command line takes the place of the serial line: tests pass a terminal. */
int main(int argc, char **argv)
{
	int children;

	take_standard_descriptors();
	refuse_oom_kill();
	open_port(argc > 1 ? argv[1] : PORT_INSTEAD);
	children = open_children();
	notice_host(port_state());
	for (;;)
		turn(children);
}
