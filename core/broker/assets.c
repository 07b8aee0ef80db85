#include "broker/assets.h"

#include "assets/fetch.h"
#include "assets/preflight.h"
#include "assets/report.h"
#include "base/log.h"
#include "base/util.h"
#include "broker/clients.h"
#include "broker/session.h"
#include "config/assets.h"
#include "volume/volume.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A volume that assets are one object or file of each. */
struct inner {
	struct s3_client *client; /* S3 */
	char *place;              /* bucket or folder */
	struct volume *volume;
	struct inner *next;
};

struct assets {
	struct asset_check *checks;
	size_t count;
	struct inner *inner;
	char copies[PATH_MAX]; /* the folder of private copies, "" none; "0", "1", ... by index */
	struct volume *copies_volume;
};

/* Keys are found for each bucket only where they may differ by it; what failed once is not waited for again. */
void assets_find_clients(struct clients *clients, const struct config *config, struct asset_check *checks, size_t count)
{
	const struct mount_config *failed = NULL;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < count; i++) {
		struct asset_check *c = &checks[i];
		if (c->class != ASSET_OK || !c->asset->bucket)
			continue;
		const struct mount_config *m = &config->mounts[c->asset->mount];
		if (!failed || m->passwd_file) {
			err = (struct err)ERR_INIT;
			failed = clients_get(clients, config, m, &c->client, &err) < 0 ? m : NULL;
		}
		if (failed)
			preflight_fail(c, &err, 0);
	}
}

static int write_report(const struct assets *assets, const char *path, struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_close int fd = -1;

	report_json(assets->checks, assets->count, 0, "", &text);
	if (!buf_ok(&text))
		return err_set(err, ENOMEM, "out of memory");
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, buf_str(&text), text.len) != (ssize_t)text.len)
		return err_set(err, errno ? errno : EIO, "report '%s': %s", path, strerror(errno));
	return 0;
}

static int tell(const struct assets *assets, const struct config *config, struct err *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < assets->count; i++) {
		cleanup_buf struct buf line = BUF_INIT;
		if (assets->checks[i].class == ASSET_OK)
			continue;
		report_line(&assets->checks[i], i, &line);
		log_error("assets", "%s", buf_str(&line));
	}
	if (config->control_fd < 0 || !config->socket_path)
		return 0;
	assets_report_path(config->socket_path, path, sizeof(path));
	return write_report(assets, path, err);
}

static int refuse(const struct assets *assets, struct err *err)
{
	for (size_t i = 0; i < assets->count; i++) {
		cleanup_buf struct buf line = BUF_INIT;
		if (assets->checks[i].class == ASSET_OK)
			continue;
		report_line(&assets->checks[i], i, &line);
		return err_set(err, EPERM, "%s", buf_str(&line));
	}
	return 0;
}

static int copy_one(struct assets *assets, struct cache *cache, struct asset_check *check, size_t index)
{
	char path[PATH_MAX + 32];
	struct err err = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%zu", assets->copies, index);
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set(&err, errno, "'%s': %s", path, strerror(errno));
		preflight_fail(check, &err, 0);
		return -err.errnum;
	}
	int r = asset_fetch(check, cache, fd);
	if (r == 0)
		(void)fchmod(fd, check->asset->read_only ? 0444 : 0666);
	return r;
}

static bool is_copy(const struct asset_check *check)
{
	return check->class == ASSET_OK && (!check->asset->read_only || check->asset->version_id);
}

/* Return: how many failed, which is in the checks; negative errno. */
static int make_copies(struct assets *assets, struct cache *cache, const struct config *config, struct err *err)
{
	const char *temp = getenv("TMPDIR");
	const char *base = config->cache_dir ? config->cache_dir : temp && *temp == '/' ? temp : "/var/tmp";
	int failed = 0;

	for (size_t i = 0; i < assets->count; i++) {
		if (!is_copy(&assets->checks[i]))
			continue;
		if (!assets->copies[0]) {
			snprintf(assets->copies, sizeof(assets->copies), "%s/s3shim-assets-XXXXXX", base);
			if (!mkdtemp(assets->copies)) {
				assets->copies[0] = '\0';
				return err_set(err, errno, "a folder for copies in '%s': %s", base, strerror(errno));
			}
			(void)chmod(assets->copies, 0711); /* the program may be another user */
		}
		failed += copy_one(assets, cache, &assets->checks[i], i) < 0;
	}
	return failed;
}

int assets_new(struct broker *b, const struct config *config, struct assets **ret, struct err *err)
{
	struct assets *assets;
	int r, told;

	*ret = NULL;
	if (!config->asset_count)
		return 0;
	assets = calloc(1, sizeof(*assets));
	if (assets)
		assets->checks = calloc(config->asset_count, sizeof(*assets->checks));
	*ret = assets;
	if (!assets || !assets->checks)
		return err_set(err, ENOMEM, "out of memory");
	assets->count = config->asset_count;
	for (size_t i = 0; i < assets->count; i++)
		preflight_init(&assets->checks[i], &config->assets[i]);
	assets_find_clients(b->clients, config, assets->checks, assets->count);
	r = preflight(assets->checks, assets->count, config);
	if (r == 0)
		r = make_copies(assets, b->cache, config, err);
	told = r < 0 ? 0 : tell(assets, config, err);
	if (r == 0)
		r = told;
	return r > 0 ? refuse(assets, err) : r;
}

struct assets *assets_free(struct assets *assets)
{
	char path[PATH_MAX + 32];

	if (!assets)
		return NULL;
	for (struct inner *i = assets->inner, *next; i; i = next) {
		next = i->next;
		volume_free(i->volume);
		free(i->place);
		free(i);
	}
	for (size_t i = 0; assets->copies[0] && i < assets->count; i++) {
		snprintf(path, sizeof(path), "%s/%zu", assets->copies, i);
		(void)unlink(path);
	}
	if (assets->copies[0])
		(void)rmdir(assets->copies);
	free(assets->checks);
	free(assets);
	return NULL;
}

static int make_inner(struct broker *b, const struct config *config, const struct inner *what, uint32_t index,
		      struct volume **ret, struct err *err)
{
	const struct mount_config *m = &config->mounts[index];
	struct volume_s3_config s3 = { .client = what->client,
				       .bucket = what->place,
				       .mount = m->mount,
				       .index = index,
				       .read_only = true,
				       .ttl_ms = config->ttl_ms,
				       .attributes_list = m->attributes_list,
				       .store = b->objects,
				       .watch = b->watch };
	struct volume_file_config file = { .path = what->place, .mount = m->mount, .index = index, .watch = b->watch };

	s3.events = file.events = session_events(b);
	return what->client ? volume_s3_new(&s3, ret, err) : volume_file_new(&file, ret, err);
}

static int get_inner(struct assets *assets, struct broker *b, const struct config *config, struct s3_client *client,
		     const char *place, uint32_t index, struct volume **ret, struct err *err)
{
	struct inner *i;
	int r;

	for (i = assets->inner; i; i = i->next) {
		if (i->client == client && strcmp(i->place, place) == 0) {
			*ret = i->volume;
			return 0;
		}
	}
	i = calloc(1, sizeof(*i));
	if (i)
		i->place = strdup(place);
	if (!i || !i->place) {
		free(i);
		return err_set(err, ENOMEM, "out of memory");
	}
	i->client = client;
	r = make_inner(b, config, i, index, &i->volume, err);
	if (r < 0) {
		free(i->place);
		free(i);
		return r;
	}
	i->next = assets->inner;
	assets->inner = i;
	*ret = i->volume;
	return 0;
}

int assets_volume(struct assets *assets, struct broker *b, const struct config *config, uint32_t index,
		  struct volume **ret, struct err *err)
{
	struct volume_single_config single = { .mount = config->mounts[index].mount,
					       .index = index,
					       .read_only = config->mounts[index].read_only };
	char folder[PATH_MAX], number[32];
	size_t at = 0;
	int r;

	while (assets->checks[at].class != ASSET_OK || assets->checks[at].asset->mount != index)
		at++;
	const struct asset_check *c = &assets->checks[at];
	if (is_copy(c)) {
		snprintf(number, sizeof(number), "%zu", at);
		single.path = number;
		r = get_inner(assets, b, config, NULL, assets->copies, index, &single.inner, err);
	} else if (c->client) {
		single.path = c->asset->key;
		r = get_inner(assets, b, config, c->client, c->asset->bucket, index, &single.inner, err);
	} else {
		const char *slash = strrchr(c->asset->path, '/');
		snprintf(folder, sizeof(folder), "%.*s", slash == c->asset->path ? 1 : (int)(slash - c->asset->path),
			 c->asset->path);
		single.path = slash + 1;
		r = get_inner(assets, b, config, NULL, folder, index, &single.inner, err);
	}
	if (r < 0)
		return r;
	if (!is_copy(c)) {
		single.pin = (struct volume_pin){ .set = true, .size = c->size, .mtime_ns = c->mtime_ns };
		memcpy(single.pin.etag, c->etag, sizeof(single.pin.etag));
	}
	return volume_single_new(&single, ret, err);
}
