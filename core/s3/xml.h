/**
 * xml.h - the XML that S3 answers and takes.
 *
 * One reader over expat for every answer: it reports leaves with the name of what they lie in. Documents with a
 * DOCTYPE, nested deeper than 16 or with a text over 64 KiB are refused: no answer of S3 has that. Stateless, any
 * thread.
 */
#ifndef S3SHIM_S3_XML_H
#define S3SHIM_S3_XML_H

#include "base/err.h"
#include "s3/buf.h"
#include "s3/s3.h"

#include <stddef.h>

/** Called as elements open and close; return 0, or -errno to stop. @parent is "" for the root. */
struct xml_handler {
	int (*open)(void *arg, const char *parent, const char *name); /* or NULL */
	/* @text: of a leaf, blanks at both ends kept; "" for what had elements inside. May be changed in place. */
	int (*close)(void *arg, const char *parent, const char *name, char *text);
	void *arg;
};

/** xml_read() - Return: 0; -EBADMSG if @data is not such XML; -ENOMEM; what the handler returned. */
int xml_read(const char *data, size_t len, const struct xml_handler *handler);

/** xml_escape() - append @text as character data. Return: 0; -EILSEQ: a control character, which XML 1.0 cannot have.
 */
int xml_escape(struct buf *to, const char *text);

/** What an <Error> says; "" and 0 where it says nothing. */
struct xml_error {
	char code[64], message[256], request_id[64], region[32], endpoint[128], condition[64], storage_class[32];
	uint64_t actual_size;
	bool has_actual_size;
};

/** xml_read_error() - Return: 1 and *ret if the root is <Error>; 0 if it is anything else or no XML at all. */
int xml_read_error(const char *data, size_t len, struct xml_error *ret);

/**
 * xml_read_list() - ListObjectsV2, ListBuckets and ListMultipartUploads into a page
 * Decodes names where the answer says encoding-type url. The token of ListMultipartUploads is "key\nupload id".
 * Return: 0 and *ret, to be freed by s3_page_deinit(); -EBADMSG if malformed, of another root, or truncated without a
 * token for the rest; -ENOMEM.
 */
int xml_read_list(const char *data, size_t len, struct s3_page *ret);

/** The small answers in one: fields are "" where the answer has none. */
struct xml_result {
	char root[64], etag[S3_ETAG_MAX], upload_id[S3_UPLOAD_ID_MAX], checksum[96];
	int64_t mtime_ns;
	size_t failed; /* DeleteResult: errors */
	char failed_key[S3_KEY_MAX + 1], failed_code[64];
};

/** xml_read_result() - Return: 0; -EBADMSG; -ENOMEM. */
int xml_read_result(const char *data, size_t len, struct xml_result *ret);

#endif
