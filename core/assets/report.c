#include "assets/report.h"

#include "base/util.h"

int report_status(const struct asset_check *checks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (checks[i].class != ASSET_OK)
			return asset_class_status(checks[i].class);
	return 0;
}

static void string(struct buf *to, const char *name, const char *value)
{
	buf_printf(to, ", \"%s\": \"", name);
	for (const char *p = value ? value : ""; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_printf(to, "\\%c", *p);
		else if ((unsigned char)*p < 32)
			buf_printf(to, "\\u%04x", (unsigned)*p);
		else
			buf_add(to, p, 1);
	}
	buf_puts(to, "\"");
}

void report_json(const struct asset_check *checks, size_t count, int status, const char *sentence, struct buf *to)
{
	buf_printf(to, "{\"status\": %d", status ? status : report_status(checks, count));
	string(to, "sentence", sentence);
	buf_puts(to, ", \"assets\": [");
	for (size_t i = 0; i < count; i++) {
		const struct asset_check *c = &checks[i];
		buf_printf(to, "%s\n  {\"index\": %zu", i ? "," : "", i);
		string(to, "source", c->asset->source);
		string(to, "target", c->asset->target);
		string(to, "class", asset_class_name(c->class));
		if (c->class == ASSET_OK) {
			buf_printf(to, ", \"size\": %lu", (unsigned long)c->size);
			string(to, "etag", c->etag);
			string(to, "version_id", c->version_id);
		}
		string(to, "sentence", c->sentence);
		string(to, "request_id", c->request_id);
		buf_puts(to, "}");
	}
	buf_puts(to, "]}\n");
}

void report_line(const struct asset_check *check, size_t index, struct buf *to)
{
	const struct asset_config *a = check->asset;

	buf_printf(to, "asset %zu '%s' for '%s': %s: %s", index, a->source ? a->source : "", a->target ? a->target : "",
		   asset_class_words(check->class), check->sentence);
}
