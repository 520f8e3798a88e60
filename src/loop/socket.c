/* What a connected socket can be asked for. */
#include "loop/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void set_number(int fd, int level, int option, int value)
{
	if (value > 0)
		setsockopt(fd, level, option, &value, sizeof(value));
}

void socket_be_patient(int fd, const struct socket_patience *p)
{
	int off = 0;

	set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, p->user_timeout_ms);
	if (p->is_off) {
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off));
		return;
	}
	set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, p->idle_s);
	set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, p->interval_s);
	set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, p->count);
}

int socket_peer_uid(int fd, unsigned *ret_uid)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	*ret_uid = who.uid;
	return 0;
}
