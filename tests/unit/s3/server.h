/**
 * server.h - a store that answers as a test wrote it: one scripted answer a connection, requests kept as text.
 */
#ifndef S3SHIM_TESTS_SERVER_H
#define S3SHIM_TESTS_SERVER_H

#include <stddef.h>

#define SERVER_REQUESTS_MAX 16

struct server;

/** server_new() - @answers: raw HTTP, NULL at the end; the last is repeated. "" closes, "hang" says nothing. */
struct server *server_new(const char *const *answers);
void server_free(struct server *server);

int server_port(const struct server *server);
int server_count(struct server *server);
const char *server_request(struct server *server, int i); /* "" if it never came */

#endif
