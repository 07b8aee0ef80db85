#include "s3/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct sockets *sockets = arg;
	int fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (sockets->count < SOCKETS_MAX) {
		sockets->at[sockets->count].fd = fd;
		sockets->at[sockets->count++].port = 0;
	}
	return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
	struct sockets *sockets = arg;

	for (int i = 0; i < sockets->count; i++) {
		if (sockets->at[i].fd == fd) {
			sockets->at[i] = sockets->at[--sockets->count];
			break;
		}
	}
	return close(fd);
}

void sockets_watch(struct sockets *sockets, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

static int local_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	/* the port stands at the same place in both families */
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

void sockets_acknowledge(struct sockets *sockets, CURL *easy)
{
	long port = 0;
	int one = 1;

	curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port);
	for (int i = 0; port && i < sockets->count; i++) {
		if (!sockets->at[i].port)
			sockets->at[i].port = local_port(sockets->at[i].fd);
		if (sockets->at[i].port == port) {
			setsockopt(sockets->at[i].fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
			return;
		}
	}
}
