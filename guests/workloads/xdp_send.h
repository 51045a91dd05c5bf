/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that an AF_XDP socket sends over a veth pair, and what arrives of them at its other end. */
#ifndef XDP_SEND_H
#define XDP_SEND_H

#include <stdbool.h>
#include <stddef.h>

struct xdp_send;

/* Bind a socket that has its umem to a pair of its own; NULL after failed(). */
struct xdp_send *xdp_send_open(int socket);

/* The socket itself stays open. */
void xdp_send_close(struct xdp_send *send);

/* Have the device read at most 12 bytes at `offset` in the umem; they and 49 more lie in a page. */
bool xdp_send_read(struct xdp_send *send, size_t offset, void *bytes, size_t length);

#endif
