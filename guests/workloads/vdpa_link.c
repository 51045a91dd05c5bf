/* SPDX-License-Identifier: Apache-2.0 */
#include "vdpa_link.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/vdpa.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "answers.h"

/* A message of generic netlink, and the room it has for its own header. */
static struct nl_msg *new_message(int family, int command, int version)
{
	const struct genlmsghdr header = {.cmd = command, .version = version};
	struct nl_msg *message = nlmsg_alloc_simple(family, NLM_F_REQUEST | NLM_F_ACK);

	if (message && nlmsg_append(message, (void *)&header, sizeof(header), NLMSG_ALIGNTO)) {
		nlmsg_free(message);
		message = NULL;
	}
	return message;
}

static int note_family(struct nl_msg *message, void *into)
{
	struct nlattr *attribute =
		nlmsg_find_attr(nlmsg_hdr(message), GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);

	if (attribute)
		*(int *)into = nla_get_u16(attribute);
	return NL_OK;
}

/* The number that the kernel gave the family, 0 if it has none. */
static int find_family(struct nl_sock *socket)
{
	struct nl_msg *message = new_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	int family = 0;

	if (!message || nla_put_string(message, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME))
		return 0;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, note_family, &family);
	if (nl_send_auto(socket, message) >= 0) {
		nl_recvmsgs_default(socket);
		nl_wait_for_ack(socket);
	}
	nlmsg_free(message);
	return family;
}

static struct nl_msg *about_device(int family, int command, const char *name, const char *manager)
{
	struct nl_msg *message = new_message(family, command, VDPA_GENL_VERSION);

	if (!message)
		return NULL;
	if (!nla_put_string(message, VDPA_ATTR_DEV_NAME, name) &&
	    (!manager || !nla_put_string(message, VDPA_ATTR_MGMTDEV_DEV_NAME, manager)))
		return message;
	nlmsg_free(message);
	return NULL;
}

static int ask(struct nl_sock *socket, int command, const char *name, const char *manager)
{
	int family = find_family(socket);
	struct nl_msg *message = family ? about_device(family, command, name, manager) : NULL;

	if (!family)
		return -NLE_OBJ_NOTFOUND;
	return message ? nl_send_sync(socket, message) : -NLE_NOMEM; /* frees the message */
}

static bool manage(int command, const char *name, const char *manager)
{
	struct nl_sock *socket = nl_socket_alloc();
	int error = socket ? nl_connect(socket, NETLINK_GENERIC) : -NLE_NOMEM;

	if (!error)
		error = ask(socket, command, name, manager);
	nl_socket_free(socket);
	return error >= 0 || failed_with(nl_geterror(error), EIO);
}

bool vdpa_add(const char *name, const char *manager)
{
	return manage(VDPA_CMD_DEV_NEW, name, manager);
}

void vdpa_delete(const char *name)
{
	manage(VDPA_CMD_DEV_DEL, name, NULL);
}
