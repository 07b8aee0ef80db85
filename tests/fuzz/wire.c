/* Requests: what passes the check is exactly what wire_put_request() makes of its parts. */
#include "fuzz.h"

#include "base/wire.h"

#include <stdalign.h>
#include <string.h>

static void check_dirent(const uint8_t *data, size_t size)
{
	alignas(8) char room[512];
	size_t len = size > 300 ? 300 : size, used;

	memset(room, 0x5a, sizeof(room));
	used = wire_put_dirent(room, sizeof(room) - 16, 1, 2, 8, (const char *)data, len);
	CHECK((used == 0) == (len > 255) && used % 8 == 0);
	if (used) {
		struct wire_dirent d;

		memcpy(&d, room, sizeof(d));
		CHECK(d.size == used && d.name_len == len);
		CHECK(memcmp(room + offsetof(struct wire_dirent, name), data, len) == 0);
	}
	for (size_t i = used; i < sizeof(room); i++)
		CHECK(room[i] == 0x5a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	alignas(8) static unsigned char frame[WIRE_REQUEST_MAX], again[WIRE_REQUEST_MAX];
	struct wire_request r;
	struct wire_header h;

	if (size > sizeof(frame))
		return 0;
	memcpy(frame, data, size);
	if (size >= sizeof(h)) { /* a frame's size is what frame_read() read */
		uint32_t whole = (uint32_t)size;
		memcpy(frame, &whole, sizeof(whole));
	}
	check_dirent(data, size);
	if (wire_check_request(frame, size, &r) != 0)
		return 0;
	CHECK(r.type > WIRE_NONE && r.type < WIRE_TYPE_MAX);
	for (unsigned i = 0; i < wire_messages[r.type].strings; i++)
		CHECK(r.string[i] && strlen(r.string[i]) < WIRE_PATH_MAX);
	CHECK(wire_put_request(again, sizeof(again), r.type, r.id, r.fixed, r.string) == (long)size);
	CHECK(memcmp(frame, again, size) == 0);
	return 0;
}
