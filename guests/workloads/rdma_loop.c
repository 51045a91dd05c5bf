/* SPDX-License-Identifier: Apache-2.0 */
#include "rdma_loop.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "patience.h"

#define PORT 1
#define GIDS 16
/*
 * 4.096 us * 2^21 = 8.6 s (IBA 11.2.4.2, local ACK timeout). Nothing is lost between two queues of
 * one device, but an emulated processor may pause for longer than the usual 67 ms; and what rxe of
 * 7.2.9 begins to send again then does not always come to its end.
 */
#define RETRANSMISSION 21

struct rdma_loop {
	struct ibv_cq *completions;
	struct ibv_qp *pairs[2]; /* the first asks, the second answers */
	struct ibv_mr *staging;
	char bytes[DMA_CHUNK];
};

static bool is_ipv4(const union ibv_gid *gid)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(gid->raw, mapped, sizeof(mapped));
}

/*
 * One of IPv4 if there is one, or else the first that is one: the port's own, which comes before
 * those of IPv4, is resolved by IPv6 alone, and a kernel may lack that.
 */
static bool find_address(struct ibv_context *device, union ibv_gid *gid, int *index)
{
	static const union ibv_gid none;
	union ibv_gid one;

	*index = -1;
	for (int at = 0; at < GIDS && !(*index >= 0 && is_ipv4(gid)); at++) {
		if (ibv_query_gid(device, PORT, at, &one) || !memcmp(&one, &none, sizeof(none)))
			continue;
		if (*index < 0 || is_ipv4(&one)) {
			*gid = one;
			*index = at;
		}
	}
	return *index >= 0 || failed_with("ibv_query_gid", ENODEV);
}

static bool make_ready(struct ibv_qp *pair)
{
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
	};

	return !ibv_modify_qp(pair, &attributes,
			      IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) ||
	       failed("ibv_modify_qp INIT");
}

static bool make_receive(struct ibv_qp *pair, uint32_t other, const union ibv_gid *gid, int index)
{
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_1024,
		.dest_qp_num = other,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.port_num = PORT,
			.grh = {.dgid = *gid, .sgid_index = index, .hop_limit = 1},
		},
	};

	return !ibv_modify_qp(pair, &attributes,
			      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				      IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				      IBV_QP_MIN_RNR_TIMER) ||
	       failed("ibv_modify_qp RTR");
}

static bool make_send(struct ibv_qp *pair)
{
	struct ibv_qp_attr attributes = {
		.qp_state = IBV_QPS_RTS,
		.timeout = RETRANSMISSION,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = 1,
	};

	return !ibv_modify_qp(pair, &attributes,
			      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				      IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC) ||
	       failed("ibv_modify_qp RTS");
}

static bool connect_pairs(struct rdma_loop *loop, struct ibv_context *device)
{
	union ibv_gid gid;
	int index;

	if (!find_address(device, &gid, &index))
		return false;
	for (int which = 0; which < 2; which++) {
		struct ibv_qp *pair = loop->pairs[which], *other = loop->pairs[!which];

		if (!make_ready(pair) || !make_receive(pair, other->qp_num, &gid, index) ||
		    !make_send(pair))
			return false;
	}
	return true;
}

static bool create(struct rdma_loop *loop, struct ibv_context *device, struct ibv_pd *domain)
{
	struct ibv_qp_init_attr attributes = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1},
	};

	loop->staging = ibv_reg_mr(domain, loop->bytes, DMA_CHUNK, IBV_ACCESS_LOCAL_WRITE);
	if (!loop->staging)
		return failed("ibv_reg_mr");
	loop->completions = ibv_create_cq(device, 4, NULL, NULL, 0);
	if (!loop->completions)
		return failed("ibv_create_cq");
	attributes.send_cq = attributes.recv_cq = loop->completions;
	for (int which = 0; which < 2; which++) {
		loop->pairs[which] = ibv_create_qp(domain, &attributes);
		if (!loop->pairs[which])
			return failed("ibv_create_qp");
	}
	return true;
}

struct rdma_loop *rdma_loop_open(struct ibv_context *device, struct ibv_pd *domain)
{
	struct rdma_loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		failed("calloc");
		return NULL;
	}
	if (create(loop, device, domain) && connect_pairs(loop, device))
		return loop;
	rdma_loop_close(loop);
	return NULL;
}

void rdma_loop_close(struct rdma_loop *loop)
{
	for (int which = 0; which < 2; which++)
		if (loop->pairs[which])
			ibv_destroy_qp(loop->pairs[which]);
	if (loop->completions)
		ibv_destroy_cq(loop->completions);
	if (loop->staging)
		ibv_dereg_mr(loop->staging);
	free(loop);
}

static bool await_completion(struct rdma_loop *loop)
{
	double end = stopwatch() + PATIENCE;
	struct ibv_wc completion;
	int found = 0;

	while (!found && stopwatch() < end)
		found = ibv_poll_cq(loop->completions, 1, &completion);
	if (found < 0)
		return failed("ibv_poll_cq");
	if (!found)
		return failed_with("ibv_poll_cq", ETIMEDOUT);
	if (completion.status != IBV_WC_SUCCESS)
		return failed_with(ibv_wc_status_str(completion.status), EIO);
	return true;
}

bool rdma_loop_bind(struct rdma_loop *loop, struct ibv_mw *window, struct ibv_mr *region,
		    bool writable)
{
	struct ibv_mw_bind bind = {
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info = {
			.mr = region,
			.addr = (uintptr_t)region->addr,
			.length = region->length,
			.mw_access_flags = IBV_ACCESS_REMOTE_READ |
					   (writable ? IBV_ACCESS_REMOTE_WRITE : 0),
		},
	};
	int error = ibv_bind_mw(loop->pairs[0], window, &bind);

	if (error)
		return failed_with("ibv_bind_mw", error);
	return await_completion(loop);
}

bool rdma_loop_move(struct rdma_loop *loop, uint32_t key, const char *address, void *bytes,
		    size_t length, enum dma_direction direction)
{
	struct ibv_sge here = {(uintptr_t)loop->bytes, length, loop->staging->lkey};
	struct ibv_send_wr request = {
		.sg_list = &here,
		.num_sge = 1,
		.opcode = direction == TO_MEMORY ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = {.remote_addr = (uintptr_t)address, .rkey = key},
	};
	struct ibv_send_wr *bad;

	if (direction == TO_MEMORY)
		memcpy(loop->bytes, bytes, length);
	if (ibv_post_send(loop->pairs[0], &request, &bad))
		return failed("ibv_post_send");
	if (!await_completion(loop))
		return false;
	if (direction == FROM_MEMORY)
		memcpy(bytes, loop->bytes, length);
	return true;
}
