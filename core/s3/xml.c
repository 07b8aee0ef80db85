#include "s3/xml.h"
#include "s3/checksum.h"
#include "s3/when.h"

#include <expat.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16
#define NAME_MAX_ 64
#define TEXT_MAX  65536
#define ROOM(a)   (a), sizeof(a)

struct reader {
	const struct xml_handler *handler;
	XML_Parser parser;
	char names[DEPTH_MAX + 1][NAME_MAX_]; /* names[0] is "" */
	unsigned depth;
	bool leaf; /* nothing has closed inside the element that is open */
	struct buf text;
	int status;
};

static void stop(struct reader *reader, int status)
{
	reader->status = status;
	XML_StopParser(reader->parser, XML_FALSE);
}

static void XMLCALL on_open(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *reader = arg;
	const char *colon = strrchr(name, ':');

	(void)attributes;
	name = colon ? colon + 1 : name;
	if (reader->status < 0)
		return;
	if (reader->depth == DEPTH_MAX || strlen(name) >= NAME_MAX_) {
		stop(reader, -EBADMSG);
		return;
	}
	const char *parent = reader->names[reader->depth];
	strcpy(reader->names[++reader->depth], name);
	reader->leaf = true;
	buf_clear(&reader->text);
	int r = reader->handler->open ? reader->handler->open(reader->handler->arg, parent, name) : 0;
	if (r < 0)
		stop(reader, r);
}

static void XMLCALL on_close(void *arg, const XML_Char *name)
{
	struct reader *reader = arg;
	char empty[1] = "";

	(void)name;
	if (reader->status < 0)
		return;
	if (!buf_ok(&reader->text)) {
		stop(reader, -ENOMEM);
		return;
	}
	char *text = reader->leaf && reader->text.data ? reader->text.data : empty;
	int r = reader->handler->close(reader->handler->arg, reader->names[reader->depth - 1],
				       reader->names[reader->depth], text);
	reader->depth--;
	reader->leaf = false;
	buf_clear(&reader->text);
	if (r < 0)
		stop(reader, r);
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
	struct reader *reader = arg;

	if (reader->status < 0 || !reader->leaf)
		return;
	if (reader->text.len + (size_t)len > TEXT_MAX) {
		stop(reader, -EBADMSG);
		return;
	}
	buf_add(&reader->text, text, (size_t)len);
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
			       int internal)
{
	(void)name, (void)sysid, (void)pubid, (void)internal;
	stop(arg, -EBADMSG);
}

int xml_read(const char *data, size_t len, const struct xml_handler *handler)
{
	struct reader reader = { .handler = handler };

	if (len > INT32_MAX)
		return -EBADMSG;
	reader.parser = XML_ParserCreate(NULL);
	if (!reader.parser)
		return -ENOMEM;
	XML_SetUserData(reader.parser, &reader);
	XML_SetElementHandler(reader.parser, on_open, on_close);
	XML_SetCharacterDataHandler(reader.parser, on_text);
	XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);
	if (XML_Parse(reader.parser, data, (int)len, 1) != XML_STATUS_OK && reader.status == 0)
		reader.status = XML_GetErrorCode(reader.parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
	XML_ParserFree(reader.parser);
	buf_deinit(&reader.text);
	return reader.status;
}

int xml_escape(struct buf *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '&')
			buf_puts(to, "&amp;");
		else if (c == '<')
			buf_puts(to, "&lt;");
		else if (c == '>')
			buf_puts(to, "&gt;");
		else if (c == '"')
			buf_puts(to, "&quot;");
		else if (c == '\r' || c == '\n' || c == '\t')
			buf_printf(to, "&#%d;", c);
		else if (c < 32)
			return -EILSEQ;
		else
			buf_add(to, text, 1);
	}
	return 0;
}

static void keep(char *to, size_t room, const char *text)
{
	snprintf(to, room, "%s", text);
}

struct error_reader {
	struct xml_error error;
	bool is_error;
};

static int error_close(void *arg, const char *parent, const char *name, char *text)
{
	struct error_reader *reader = arg;
	struct xml_error *e = &reader->error;
	const struct {
		const char *name;
		char *to;
		size_t room;
	} fields[] = {
		{ "Code", ROOM(e->code) },           { "Message", ROOM(e->message) },
		{ "Region", ROOM(e->region) },       { "RequestId", ROOM(e->request_id) },
		{ "Endpoint", ROOM(e->endpoint) },   { "StorageClass", ROOM(e->storage_class) },
		{ "Condition", ROOM(e->condition) },
	};

	if (!*parent && strcmp(name, "Error") == 0)
		reader->is_error = true;
	if (strcmp(parent, "Error") != 0)
		return 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, name) == 0)
			keep(fields[i].to, fields[i].room, text);
	if (strcmp(name, "ActualObjectSize") == 0)
		e->has_actual_size = sscanf(text, "%lu", &e->actual_size) == 1;
	return 0;
}

int xml_read_error(const char *data, size_t len, struct xml_error *ret)
{
	struct error_reader reader = { .is_error = false };
	const struct xml_handler handler = { .close = error_close, .arg = &reader };

	if (xml_read(data, len, &handler) < 0 || !reader.is_error)
		return 0;
	*ret = reader.error;
	return 1;
}

struct result_reader {
	struct xml_result *result;
	char key[S3_KEY_MAX + 1], code[64];
};

static int result_close(void *arg, const char *parent, const char *name, char *text)
{
	struct result_reader *reader = arg;
	struct xml_result *result = reader->result;

	if (!*parent)
		keep(ROOM(result->root), name);
	else if (strcmp(name, "ETag") == 0)
		keep(ROOM(result->etag), text);
	else if (strcmp(name, "UploadId") == 0)
		keep(ROOM(result->upload_id), text);
	else if (strcmp(name, "LastModified") == 0)
		when_parse_iso(text, &result->mtime_ns);
	else if (strncmp(name, "Checksum", 8) == 0 && checksum_parse_name(name + 8) != CHECKSUM_NONE)
		snprintf(ROOM(result->checksum), "%s:%s", name + 8, text);
	else if (strcmp(parent, "Error") == 0 && strcmp(name, "Key") == 0)
		keep(ROOM(reader->key), text);
	else if (strcmp(parent, "Error") == 0 && strcmp(name, "Code") == 0)
		keep(ROOM(reader->code), text);
	else if (strcmp(parent, "DeleteResult") == 0 && strcmp(name, "Error") == 0 && result->failed++ == 0) {
		memcpy(result->failed_key, reader->key, sizeof(reader->key));
		memcpy(result->failed_code, reader->code, sizeof(reader->code));
	}
	return 0;
}

int xml_read_result(const char *data, size_t len, struct xml_result *ret)
{
	struct xml_result result = { .failed = 0 };
	struct result_reader reader = { .result = &result };
	const struct xml_handler handler = { .close = result_close, .arg = &reader };

	int r = xml_read(data, len, &handler);
	if (r == 0)
		*ret = result;
	return r;
}
