/* SPDX-License-Identifier: Apache-2.0 */
#include "ports.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PORTS "/sys/class/virtio-ports"

static bool is_called(const char *port, const char *name)
{
	char path[300], found[128];
	int fd;
	ssize_t length;

	snprintf(path, sizeof(path), PORTS "/%s/name", port);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, found, sizeof(found) - 1);
	close(fd);
	if (length <= 0)
		return false;
	found[length] = '\0';
	found[strcspn(found, "\n")] = '\0';
	return strcmp(found, name) == 0;
}

/* Write /dev/vportNpM of the port called `name` to `path`; false when there is none. */
static bool find_port(const char *name, char *path, size_t size)
{
	DIR *ports = opendir(PORTS);
	struct dirent *entry;
	bool found = false;

	if (!ports)
		return false;
	while (!found && (entry = readdir(ports))) {
		if (entry->d_name[0] == '.' || !is_called(entry->d_name, name))
			continue;
		snprintf(path, size, "/dev/%s", entry->d_name);
		found = true;
	}
	closedir(ports);
	return found;
}

static void make_raw(int line)
{
	struct termios modes;

	if (tcgetattr(line, &modes))
		return;
	cfmakeraw(&modes);
	modes.c_cflag |= CLOCAL;
	cfsetspeed(&modes, B115200);
	tcsetattr(line, TCSANOW, &modes);
}

int port_open(const char *name, const char *instead, int flags)
{
	char path[300];
	int fd;

	if (find_port(name, path, sizeof(path)))
		return open(path, flags | O_CLOEXEC);
	fd = open(instead, flags | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		make_raw(fd);
	return fd;
}
