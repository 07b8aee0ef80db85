#include "server.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
	const char *const *answers;
	int fd, port;
	pthread_t thread;
	_Atomic int count;
	char *requests[SERVER_REQUESTS_MAX];
	int hanging[SERVER_REQUESTS_MAX], hanging_count;
};

/* The whole request as text. */
static char *read_request(int fd)
{
	size_t room = 1 << 20, len = 0, want = 0;
	char *text = calloc(1, room + 1);

	while (len < room) {
		ssize_t n = recv(fd, text + len, room - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
		if (end && !want)
			want = (size_t)(end - text) + 4 + (length && length < end ? (size_t)atol(length + 16) : 0);
		if (want && len >= want)
			break;
	}
	return text;
}

static void answer(struct server *server, int fd)
{
	int i = server->count;
	const char *text = server->answers[0];

	for (int at = 0; at < i && server->answers[at + 1]; at++)
		text = server->answers[at + 1];
	char *request = read_request(fd);
	if (!*request || i == SERVER_REQUESTS_MAX) {
		free(request);
		close(fd);
		return;
	}
	server->requests[i] = request;
	server->count++;
	if (strcmp(text, "hang") == 0) {
		server->hanging[server->hanging_count++] = fd;
		return;
	}
	send(fd, text, strlen(text), MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void *serve(void *arg)
{
	struct server *server = arg;

	for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0;)
		answer(server, fd);
	return NULL;
}

struct server *server_new(const char *const *answers)
{
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	server->answers = answers;
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->fd, (struct sockaddr *)&addr, len) < 0 || listen(server->fd, 16) < 0)
		abort();
	getsockname(server->fd, (struct sockaddr *)&addr, &len);
	server->port = ntohs(addr.sin_port);
	pthread_create(&server->thread, NULL, serve, server);
	return server;
}

void server_free(struct server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	while (server->hanging_count)
		close(server->hanging[--server->hanging_count]);
	for (int i = 0; i < SERVER_REQUESTS_MAX; i++)
		free(server->requests[i]);
	free(server);
}

int server_port(const struct server *server)
{
	return server->port;
}

int server_count(struct server *server)
{
	return server->count;
}

const char *server_request(struct server *server, int i)
{
	return i < server->count ? server->requests[i] : "";
}
