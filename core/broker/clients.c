#include "broker/clients.h"

#include "base/util.h"
#include "config/config.h"
#include "s3/credentials.h"
#include "s3/s3.h"

#include <stdio.h>
#include <string.h>

struct client_entry {
	const struct mount_config *mount; /* the first that asked; belongs to the config, which is there while we add */
	struct s3_credentials *credentials;
	struct s3_client *client;
	struct client_entry *next;
};

struct clients {
	char *notes_dir;
	struct quota *quota;
	struct audit *audit;
	struct client_entry *first;
};

int clients_new(const char *notes_dir, struct quota *quota, struct audit *audit, struct clients **ret)
{
	struct clients *clients = calloc(1, sizeof(*clients));

	if (clients && notes_dir)
		clients->notes_dir = strdup(notes_dir);
	if (!clients || (notes_dir && !clients->notes_dir)) {
		free(clients);
		return -ENOMEM;
	}
	clients->quota = quota;
	clients->audit = audit;
	*ret = clients;
	return 0;
}

struct clients *clients_free(struct clients *clients)
{
	struct client_entry *e, *next;

	for (e = clients ? clients->first : NULL; e; e = next) {
		next = e->next;
		s3_client_free(e->client);
		s3_credentials_free(e->credentials);
		free(e);
	}
	if (clients)
		free(clients->notes_dir);
	free(clients);
	return NULL;
}

/* What makes a client another one: everything that goes into struct s3_config or the credentials. */
static const size_t text_fields[] = {
	offsetof(struct mount_config, region),        offsetof(struct mount_config, scheme),
	offsetof(struct mount_config, endpoint),      offsetof(struct mount_config, profile),
	offsetof(struct mount_config, access_key_id), offsetof(struct mount_config, secret_key),
	offsetof(struct mount_config, session_token), offsetof(struct mount_config, proxy_scheme),
	offsetof(struct mount_config, proxy_host),    offsetof(struct mount_config, proxy_port),
	offsetof(struct mount_config, proxy_user),    offsetof(struct mount_config, proxy_password),
	offsetof(struct mount_config, ca_file),       offsetof(struct mount_config, ca_path),
	offsetof(struct mount_config, checksum),      offsetof(struct mount_config, storage_class),
	offsetof(struct mount_config, sse),           offsetof(struct mount_config, sse_kms_key_id),
	offsetof(struct mount_config, passwd_file),   offsetof(struct mount_config, role_arn),
};
static const size_t flag_fields[] = {
	offsetof(struct mount_config, verify_tls_off), offsetof(struct mount_config, path_style),
	offsetof(struct mount_config, virtual_host),   offsetof(struct mount_config, unsigned_requests),
	offsetof(struct mount_config, requester_pays),
};

static const char *text_of(const struct mount_config *m, size_t offset)
{
	const char *s;

	memcpy(&s, (const char *)m + offset, sizeof(s));
	return s ? s : "";
}

static bool flag_of(const struct mount_config *m, size_t offset)
{
	return *(const bool *)((const char *)m + offset);
}

static bool same_client(const struct mount_config *a, const struct mount_config *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
		if (strcmp(text_of(a, text_fields[i]), text_of(b, text_fields[i])) != 0)
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(flag_fields); i++)
		if (flag_of(a, flag_fields[i]) != flag_of(b, flag_fields[i]))
			return false;
	/* a passwd file has keys by bucket */
	return !a->passwd_file || strcmp(a->bucket ? a->bucket : "", b->bucket ? b->bucket : "") == 0;
}

static int proxy_url(const struct mount_config *m, char *buf, size_t size, struct err *err)
{
	int n;

	if (m->proxy_port)
		n = snprintf(buf, size, "%s://%s:%s", m->proxy_scheme ? m->proxy_scheme : "http", m->proxy_host,
			     m->proxy_port);
	else
		n = snprintf(buf, size, "%s://%s", m->proxy_scheme ? m->proxy_scheme : "http", m->proxy_host);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, ENAMETOOLONG, "the proxy's name is too long");
	return 0;
}

static int find_credentials(struct client_entry *e, const struct mount_config *m, const struct s3_config *way,
			    struct err *err)
{
	struct s3_credentials_config c = {
		.access_key_id = m->access_key_id,
		.secret_key = m->secret_key,
		.session_token = m->session_token,
		.passwd_file = m->passwd_file,
		.bucket = m->bucket,
		.profile = m->profile,
		.role_arn = m->role_arn,
		.region = m->region,
		.ca_file = way->ca_file,
		.ca_path = way->ca_path,
		.proxy = way->proxy,
		.proxy_user = way->proxy_user,
		.proxy_password = way->proxy_password,
	};

	return m->unsigned_requests ? 0 : s3_credentials_new(&c, &e->credentials, err);
}

static int make_client(struct client_entry *e, const struct clients *clients, const struct config *config,
		       const struct mount_config *m, struct err *err)
{
	char proxy[512];
	struct s3_config c = {
		.region = m->region,
		.scheme = m->scheme,
		.endpoint = m->endpoint,
		.path_style = m->path_style,
		.virtual_host = m->virtual_host,
		.unsigned_requests = m->unsigned_requests,
		.verify_tls_off = m->verify_tls_off,
		.ca_file = m->ca_file,
		.ca_path = m->ca_path,
		.proxy_user = m->proxy_user,
		.proxy_password = m->proxy_password,
		.checksum = m->checksum,
		.storage_class = m->storage_class,
		.sse = m->sse,
		.sse_kms_key_id = m->sse_kms_key_id,
		.requester_pays = m->requester_pays,
		.connect_timeout_ms = config->connect_timeout_ms,
		.stall_timeout_ms = config->deadline_ms,
		.deadline_ms = config->deadline_ms,
		.connections = (int)config->connections,
		.notes_dir = clients->notes_dir,
		.quota = clients->quota,
		.audit = clients->audit,
	};
	int r = 0;

	if (m->proxy_host) {
		r = proxy_url(m, proxy, sizeof(proxy), err);
		c.proxy = proxy;
	}
	if (r == 0)
		r = find_credentials(e, m, &c, err);
	if (r < 0)
		return r;
	c.credentials = e->credentials;
	if (!c.region && e->credentials && s3_credentials_region(e->credentials)[0])
		c.region = s3_credentials_region(e->credentials);
	return s3_client_new(&c, &e->client, err);
}

int clients_get(struct clients *clients, const struct config *config, const struct mount_config *mount,
		struct s3_client **ret, struct err *err)
{
	struct client_entry *e;
	int r;

	for (e = clients->first; e; e = e->next) {
		if (same_client(e->mount, mount)) {
			*ret = e->client;
			return 0;
		}
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, ENOMEM, "out of memory");
	e->mount = mount;
	r = make_client(e, clients, config, mount, err);
	if (r < 0) {
		s3_credentials_free(e->credentials);
		free(e);
		return r;
	}
	e->next = clients->first;
	clients->first = e;
	*ret = e->client;
	return 0;
}
