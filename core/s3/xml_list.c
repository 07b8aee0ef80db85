/*
 * Listings. Strings go one after another into a buffer that may move, so entries hold offsets while the answer is read
 * (as pointers from NULL) and become pointers at its end. Names are decoded at the end of their entry, because
 * <EncodingType> may stand after them.
 */
#include "s3/uri.h"
#include "s3/when.h"
#include "s3/xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct list {
	struct s3_entry *entries;
	size_t count, room;
	struct buf text;
	size_t key, etag, token, key_marker, upload_marker; /* offsets; 0: none */
	uint64_t size;
	int64_t mtime_ns;
	bool truncated, is_list, url;
};

static size_t put(struct list *list, const char *text)
{
	size_t at = list->text.len;

	buf_add(&list->text, text, strlen(text) + 1);
	return at;
}

static int end_entry(struct list *list, bool is_prefix)
{
	if (!list->key)
		return -EBADMSG;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 128;
		struct s3_entry *entries = reallocarray(list->entries, room, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		list->entries = entries;
		list->room = room;
	}
	list->entries[list->count++] = (struct s3_entry){ .key = (const char *)list->key,
							  .etag = (const char *)list->etag,
							  .size = list->size,
							  .mtime_ns = list->mtime_ns,
							  .is_prefix = is_prefix };
	list->key = list->etag = 0;
	list->size = 0;
	list->mtime_ns = 0;
	return 0;
}

static int parse_size(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno || end == text || *end || strchr(text, '-'))
		return -EBADMSG;
	*ret = n;
	return 0;
}

static bool in_entry(const char *parent)
{
	return strcmp(parent, "Contents") == 0 || strcmp(parent, "Bucket") == 0 || strcmp(parent, "Upload") == 0 ||
	       strcmp(parent, "CommonPrefixes") == 0;
}

static int list_field(struct list *list, const char *parent, const char *name, char *text)
{
	bool prefix = strcmp(parent, "CommonPrefixes") == 0, upload = strcmp(parent, "Upload") == 0;

	if (strcmp(name, "Key") == 0 || strcmp(name, "Name") == 0 || (prefix && strcmp(name, "Prefix") == 0))
		list->key = put(list, text);
	else if (strcmp(name, "ETag") == 0 || (upload && strcmp(name, "UploadId") == 0))
		list->etag = put(list, text);
	else if (strcmp(name, "Size") == 0)
		return parse_size(text, &list->size);
	else if (strcmp(name, "LastModified") == 0 || strcmp(name, "CreationDate") == 0 ||
		 strcmp(name, "Initiated") == 0)
		when_parse_iso(text, &list->mtime_ns);
	return 0;
}

static int list_close(void *arg, const char *parent, const char *name, char *text)
{
	struct list *list = arg;

	if (in_entry(parent))
		return list_field(list, parent, name, text);
	/* ListMultipartUploads names its bucket by the element that is an entry in ListBuckets */
	if (in_entry(name) && (strcmp(name, "Bucket") != 0 || strcmp(parent, "Buckets") == 0))
		return end_entry(list, strcmp(name, "CommonPrefixes") == 0);
	if (strcmp(name, "IsTruncated") == 0)
		list->truncated = strcmp(text, "true") == 0;
	else if (strcmp(name, "NextContinuationToken") == 0)
		list->token = put(list, text);
	else if (strcmp(name, "NextKeyMarker") == 0 && *text)
		list->key_marker = put(list, text);
	else if (strcmp(name, "NextUploadIdMarker") == 0 && *text)
		list->upload_marker = put(list, text);
	else if (strcmp(name, "EncodingType") == 0)
		list->url = strcmp(text, "url") == 0;
	else if (!*parent)
		list->is_list = strcmp(name, "ListBucketResult") == 0 || strcmp(name, "ListAllMyBucketsResult") == 0 ||
				strcmp(name, "ListMultipartUploadsResult") == 0;
	return 0;
}

/* "key\nupload id" for the next page of ListMultipartUploads. */
static int join_markers(struct list *list)
{
	cleanup_buf struct buf joined = BUF_INIT;

	if (list->url && uri_decode(list->text.data + list->key_marker) < 0)
		return -EBADMSG;
	buf_printf(&joined, "%s\n%s", list->text.data + list->key_marker,
		   list->upload_marker ? list->text.data + list->upload_marker : "");
	list->token = put(list, buf_str(&joined));
	return buf_ok(&joined) && buf_ok(&list->text) ? 0 : -ENOMEM;
}

static int finish(struct list *list, struct s3_page *ret)
{
	if (!buf_ok(&list->text))
		return -ENOMEM;
	if (!list->is_list)
		return -EBADMSG;
	if (list->truncated && !list->token) {
		int r = list->key_marker ? join_markers(list) : -EBADMSG;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct s3_entry *entry = &list->entries[i];
		char *key = list->text.data + (size_t)entry->key;
		if (list->url && uri_decode(key) < 0)
			return -EBADMSG;
		entry->key = key;
		entry->etag = list->text.data + (size_t)entry->etag;
	}
	*ret = (struct s3_page){ .entries = list->entries,
				 .count = list->count,
				 .truncated = list->truncated,
				 .next_token = list->truncated ? list->text.data + list->token : NULL,
				 .storage = list->text.data };
	list->entries = NULL;
	list->text = (struct buf)BUF_INIT;
	return 0;
}

int xml_read_list(const char *data, size_t len, struct s3_page *ret)
{
	struct list list = { .count = 0 };
	const struct xml_handler handler = { .close = list_close, .arg = &list };

	put(&list, ""); /* offset 0 is "" */
	int r = xml_read(data, len, &handler);
	if (r == 0)
		r = finish(&list, ret);
	free(list.entries);
	buf_deinit(&list.text);
	return r;
}

void s3_page_deinit(struct s3_page *page)
{
	free(page->entries);
	free(page->storage);
	*page = (struct s3_page){ .entries = NULL };
}
