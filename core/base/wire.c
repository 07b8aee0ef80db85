#include "base/wire.h"
#include "base/util.h"

#include <string.h>

const struct wire_message wire_messages[WIRE_TYPE_MAX] = {
#define MSG(NAME, name, strings, req, rep) \
	[WIRE_##NAME] = { #NAME, strings, sizeof(struct wire_##name##_req), sizeof(struct wire_##name##_rep) },
#include "base/messages.def"
#undef MSG
};

/* A string in a tail: u32 length without the NUL, the bytes, a NUL. Nothing is aligned: memcpy. */
static const char *take_string(const char **at, const char *end)
{
	const char *s;
	uint32_t len;

	if ((size_t)(end - *at) < sizeof(len))
		return NULL;
	memcpy(&len, *at, sizeof(len));
	s = *at + sizeof(len);
	if (len >= WIRE_PATH_MAX || (size_t)(end - s) < (size_t)len + 1 || s[len] != '\0' || memchr(s, '\0', len))
		return NULL;
	*at = s + len + 1;
	return s;
}

int wire_check_request(const void *frame, size_t size, struct wire_request *ret)
{
	struct wire_header h;
	struct wire_request r = { 0 };
	const char *at = frame, *end = at + size;

	if (size < sizeof(h))
		return -EPROTO;
	memcpy(&h, frame, sizeof(h));
	if (h.size != size || h.type == WIRE_NONE || h.type >= WIRE_TYPE_MAX || h.has_fd || h.status)
		return -EPROTO;
	if (size < sizeof(h) + wire_messages[h.type].req_size)
		return -EPROTO;
	r.type = h.type;
	r.id = h.id;
	r.fixed = at + sizeof(h);
	at += sizeof(h) + wire_messages[h.type].req_size;
	for (unsigned i = 0; i < wire_messages[h.type].strings; i++) {
		r.string[i] = take_string(&at, end);
		if (!r.string[i])
			return -EPROTO;
	}
	if (at != end)
		return -EPROTO;
	*ret = r;
	return 0;
}

long wire_put_request(void *frame, size_t room, enum wire_type type, uint32_t id, const void *fixed,
		      const char *const *strings)
{
	const struct wire_message *m = &wire_messages[type];
	struct wire_header h = { .type = (uint16_t)type, .id = id };
	size_t n = sizeof(h) + m->req_size;
	char *at = frame;

	if (n > room)
		return -ENAMETOOLONG;
	memcpy(at + sizeof(h), fixed, m->req_size);
	for (unsigned i = 0; i < m->strings; i++) {
		size_t len = strlen(strings[i]);
		uint32_t len32 = (uint32_t)len;
		if (len >= WIRE_PATH_MAX || room - n < sizeof(len32) + len + 1)
			return -ENAMETOOLONG;
		memcpy(at + n, &len32, sizeof(len32));
		memcpy(at + n + sizeof(len32), strings[i], len + 1);
		n += sizeof(len32) + len + 1;
	}
	h.size = (uint32_t)n;
	memcpy(at, &h, sizeof(h));
	return (long)n;
}

size_t wire_put_dirent(void *at, size_t room, uint64_t ino, uint64_t next, uint8_t type, const char *name,
		       size_t name_len)
{
	struct wire_dirent d = { .ino = ino, .next = next, .type = type, .name_len = (uint16_t)name_len };
	size_t size = (size_t)round_up(offsetof(struct wire_dirent, name) + name_len + 1, 8);
	char *p = at;

	if (name_len > 255 || size > room)
		return 0;
	d.size = (uint16_t)size;
	memset(p, 0, size);
	memcpy(p, &d, offsetof(struct wire_dirent, name));
	memcpy(p + offsetof(struct wire_dirent, name), name, name_len);
	return size;
}
