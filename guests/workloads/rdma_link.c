/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts an RDMA device on a network device, as `rdma link add NAME type TYPE netdev NETDEV` does:
 * RDMA_NLDEV_CMD_NEWLINK, include/uapi/rdma/rdma_netlink.h.
 */
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <rdma/rdma_netlink.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *what, int error)
{
	fprintf(stderr, "rdma_link: %s: %s\n", what, nl_geterror(error));
	return 1;
}

static struct nl_msg *new_link(const char *name, const char *driver, const char *netdev)
{
	const int type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK);
	struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK);

	if (!message)
		return NULL;
	if (!nla_put_string(message, RDMA_NLDEV_ATTR_DEV_NAME, name) &&
	    !nla_put_string(message, RDMA_NLDEV_ATTR_LINK_TYPE, driver) &&
	    !nla_put_string(message, RDMA_NLDEV_ATTR_NDEV_NAME, netdev))
		return message;
	nlmsg_free(message);
	return NULL;
}

int main(int argc, char **argv)
{
	struct nl_sock *socket = nl_socket_alloc();
	struct nl_msg *message;
	int error;

	if (argc != 4) {
		fprintf(stderr, "usage: rdma_link NAME TYPE NETDEV\n");
		return 2;
	}
	message = new_link(argv[1], argv[2], argv[3]);
	if (!socket || !message)
		return refuse("memory", -NLE_NOMEM);
	error = nl_connect(socket, NETLINK_RDMA);
	if (error < 0)
		return refuse("NETLINK_RDMA", error);
	error = nl_send_sync(socket, message); /* frees the message */
	if (error < 0)
		return refuse(argv[3], error);
	nl_socket_free(socket);
	return 0;
}
