/* SPDX-License-Identifier: Apache-2.0 */
#include "veth.h"

#include <errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answers.h"

static struct nl_sock *connect_route(void)
{
	struct nl_sock *socket = nl_socket_alloc();

	if (socket && nl_connect(socket, NETLINK_ROUTE)) {
		nl_socket_free(socket);
		socket = NULL;
	}
	return socket;
}

static bool bring_up(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_UP};
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good;

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	good = any >= 0 && !ioctl(any, SIOCSIFFLAGS, &request);
	if (!good)
		failed("SIOCSIFFLAGS");
	if (any >= 0)
		close(any);
	return good;
}

static bool make(const struct veth *veth)
{
	struct nl_sock *socket = connect_route();
	int error = socket ? rtnl_link_veth_add(socket, veth->names[0], veth->names[1], getpid())
			   : -NLE_BAD_SOCK;

	nl_socket_free(socket);
	return error >= 0 || failed_with(nl_geterror(error), EIO);
}

bool veth_add(struct veth *veth)
{
	static unsigned int number;

	number++;
	for (int end = 0; end < 2; end++)
		snprintf(veth->names[end], IFNAMSIZ, "v%d.%u.%d", getpid(), number, end);
	if (!make(veth)) {
		*veth = (struct veth){0};
		return false;
	}
	return bring_up(veth->names[0]) && bring_up(veth->names[1]);
}

void veth_delete(struct veth *veth)
{
	struct nl_sock *socket = *veth->names[0] ? connect_route() : NULL;
	struct rtnl_link *link = socket ? rtnl_link_alloc() : NULL;

	if (link) {
		rtnl_link_set_name(link, veth->names[0]);
		rtnl_link_delete(socket, link);
		rtnl_link_put(link);
	}
	nl_socket_free(socket);
	*veth = (struct veth){0};
}
