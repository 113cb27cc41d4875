/* SPDX-License-Identifier: MIT */
/* lwIP without an operating system: one loop, callbacks, no malloc. What is not set here is as
 * lwip/opt.h has it. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0

#define LWIP_IPV6 0
#define LWIP_RAW 0
#define LWIP_DHCP 1
#define LWIP_DNS 1
#define LWIP_NETIF_HOSTNAME 1
#define DHCP_DOES_ARP_CHECK 0
#define IP_FRAG 0
#define IP_REASSEMBLY 0
#define LWIP_STATS 0

/* One connection, to the relay, and those that were left a minute ago. */
#define MEMP_NUM_TCP_PCB 4
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define LWIP_TCP_KEEPALIVE 0
#define TCP_QUEUE_OOSEQ 0
#define TCP_MSS 1460
#define TCP_WND (3 * TCP_MSS)
/* What is sent lies in the tunnel's own buffer until it has arrived: lwIP copies nothing. */
#define TCP_SND_BUF (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 16
#define MEMP_NUM_TCP_SEG 16
#define MEMP_NUM_PBUF 16
#define TCP_OVERSIZE 0

#define MEM_ALIGNMENT 4
#define MEM_SIZE 3072
#define PBUF_POOL_SIZE 7

#endif
