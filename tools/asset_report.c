#include "asset_report.h"
#include "base/util.h"
#include "config/assets.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define OWN_FAILURE 125

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Return: false, and a sentence on stderr: a report that is not there must not look like one. */
bool asset_report_write(const struct config *config, const char *text, size_t len)
{
	cleanup_close int fd = open(config->report_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = fd < 0 ? -errno : write_all(fd, text, len);

	if (r < 0)
		dprintf(STDERR_FILENO, "%s: report '%s': %s\n", program_invocation_short_name, config->report_path,
			strerror(-r));
	return r == 0;
}

/* A report of a failure that is no asset's own. */
static bool write_sentence(const struct config *config, int status, const char *sentence)
{
	char text[2 * ERR_TEXT_MAX + 128];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"status\": %d, \"sentence\": \"", status);

	for (const char *p = sentence; *p && n < sizeof(text) - 64; p++) {
		if (*p == '"' || *p == '\\')
			text[n++] = '\\';
		text[n++] = (unsigned char)*p < 32 ? ' ' : *p;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\", \"assets\": []}\n");
	return asset_report_write(config, text, n);
}

static char *member(const struct jtree *j, int node, const char *name)
{
	int value = jtree_get(j, node, name);

	return value < 0 ? NULL : jtree_text(j, value);
}

static enum asset_class class_named(const char *name)
{
	for (int c = 0; name && c < ASSET_CLASSES; c++)
		if (strcmp(asset_class_name((enum asset_class)c), name) == 0)
			return (enum asset_class)c;
	return ASSET_configuration;
}

int asset_report_say(const struct jtree *j, int node, bool silent)
{
	int list = jtree_get(j, node, "assets"), status = 0;

	for (int a = list < 0 ? -1 : jtree_first(j, list); a >= 0; a = jtree_next(j, a)) {
		cleanup_free char *class = member(j, a, "class"), *source = member(j, a, "source"),
				  *target = member(j, a, "target"), *sentence = member(j, a, "sentence"),
				  *index = member(j, a, "index");
		enum asset_class c = class_named(class);
		if (c == ASSET_OK)
			continue;
		if (!status)
			status = asset_class_status(c);
		if (!silent)
			dprintf(STDERR_FILENO, "%s: asset %s '%s' for '%s': %s: %s\n", program_invocation_short_name,
				index ? index : "?", source ? source : "", target ? target : "", asset_class_words(c),
				sentence ? sentence : "");
	}
	return status;
}

int asset_report_take(const struct config *config, const char *socket_path, int status, struct err *err)
{
	char path[PATH_MAX];
	struct jtree j;
	int failed;

	if (!config->asset_count)
		return status;
	assets_report_path(socket_path, path, sizeof(path));
	if (jtree_load(&j, path, NULL) < 0) {
		if (config->report_path && write_sentence(config, status ? status : OWN_FAILURE, err_text(err)))
			*err = (struct err)ERR_INIT;
		return status ? status : OWN_FAILURE;
	}
	(void)unlink(path);
	failed = asset_report_say(&j, 0, config->report_path);
	if (config->report_path && status && !failed) {
		if (write_sentence(config, status, err_text(err)))
			*err = (struct err)ERR_INIT;
	} else if (config->report_path && !asset_report_write(config, j.text, j.len)) {
		status = status ? status : OWN_FAILURE;
	}
	jtree_deinit(&j);
	if (!failed)
		return status;
	*err = (struct err)ERR_INIT;
	return failed;
}

int asset_report_fail(const struct config *config, struct err *err)
{
	int status = asset_class_status(ASSET_configuration);

	if (config->report_path && write_sentence(config, status, err_text(err)))
		*err = (struct err)ERR_INIT;
	return status;
}
