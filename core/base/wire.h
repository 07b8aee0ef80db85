/**
 * wire.h - the protocol between shim and broker: frames, messages, the shared arena.
 *
 * Stream sockets (AF_UNIX, SOCK_STREAM). A frame is a struct wire_header, the message's fixed part, and a tail.
 * Requests go from shim to broker, each is answered by one reply of the same type and id; descriptors travel from
 * broker to shim only, one at most, with the first byte of its reply. The broker treats everything it receives as
 * hostile: it reads a frame into memory of its own and validates it there (wire_check_request()).
 *
 * Used by both sides: no allocation, no stdio, no libc function but memcpy, memchr and strlen. Threads: stateless.
 */
#ifndef S3SHIM_BASE_WIRE_H
#define S3SHIM_BASE_WIRE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION     2
#define WIRE_PATH_MAX    4096 /* with the NUL, as PATH_MAX */
#define WIRE_REQUEST_MAX 16384
#define WIRE_REPLY_MAX   131072

enum wire_status { WIRE_REDIRECT_1 = 1, WIRE_REDIRECT_2 = 2 };

enum wire_kind {
	WIRE_KIND_NATIVE = 1, /* the descriptor is the file itself: nothing to ask, nothing to report */
	WIRE_KIND_OBJECT = 2, /* an object's inode: grants, claims, CLOSED */
	WIRE_KIND_DIR = 3,    /* a private file that stands for a directory */
};

enum wire_flag {
	WIRE_NOFOLLOW = 1,  /* STAT, SETATTR, ACCESS: the link itself */
	WIRE_EFFECTIVE = 2, /* ACCESS: by effective ids (AT_EACCESS) */
	WIRE_PIN = 1,       /* GRANT */
	WIRE_LOCK = 1,      /* OFFSET */
};

enum wire_set {
	WIRE_SET_MODE = 1,
	WIRE_SET_UID = 2,
	WIRE_SET_GID = 4,
	WIRE_SET_ATIME = 8,
	WIRE_SET_MTIME = 16,
	WIRE_SET_ATIME_NOW = 32,
	WIRE_SET_MTIME_NOW = 64,
};

struct wire_header {
	uint32_t size;   /* of the frame, this header included */
	uint16_t type;   /* enum wire_type */
	uint16_t has_fd; /* reply: 1 if a descriptor came with it; request: 0 */
	uint32_t id;     /* chosen by the shim, repeated in the reply */
	int32_t status;  /* reply: 0, -errno, or enum wire_status; request: 0 */
};

/** One record for stat, fstat, statx and d_ino. Times in ns since the epoch, signed. */
struct wire_attr {
	uint64_t ino, size, blocks; /* blocks of 512 bytes, never fewer than the size needs */
	int64_t atime_ns, mtime_ns, ctime_ns;
	uint64_t dev, rdev;
	uint32_t mode, nlink, uid, gid, blksize, reserved;
};

struct wire_dirent {
	uint64_t ino, next;
	uint16_t size;     /* of the record, padding included */
	uint16_t name_len; /* without the NUL that follows the name */
	uint8_t type;      /* DT_* */
	char name[];
};

/* Structures: struct wire_open_req, struct wire_open_rep, ... */
#define WIRE_UNPAREN(...) __VA_ARGS__
#define U64(name)         uint64_t name;
#define U32(name)         uint32_t name;
#define ATTR(name)        struct wire_attr name;
#define MSG(NAME, name, strings, req, rep) \
	struct wire_##name##_req { \
		WIRE_UNPAREN req \
	}; \
	struct wire_##name##_rep { \
		WIRE_UNPAREN rep \
	};
#include "base/messages.def"
#undef MSG
#undef U64
#undef U32
#undef ATTR

enum wire_type {
	WIRE_NONE, /* no message: 0 on the wire is an error */
#define MSG(NAME, name, strings, req, rep) WIRE_##NAME,
#include "base/messages.def"
#undef MSG
	WIRE_TYPE_MAX
};

/** What the table says of a message. */
struct wire_message {
	const char *name;
	uint16_t strings, req_size, rep_size;
};
extern const struct wire_message wire_messages[WIRE_TYPE_MAX];

#define WIRE_STRINGS_MAX 2

/** A request as the broker sees it after the check: pointers into the frame. */
struct wire_request {
	enum wire_type type;
	uint32_t id;
	const void *fixed;                    /* wire_messages[type].req_size bytes, 8-aligned if the frame is */
	const char *string[WIRE_STRINGS_MAX]; /* NUL-terminated, no NUL inside, shorter than WIRE_PATH_MAX */
};

/**
 * wire_check_request() - validate a whole frame that lies in memory of the caller's own
 * @frame: 8-aligned. @size: bytes in it.
 * Return: 0 and *ret; -EPROTO if anything is not as the table says.
 */
int wire_check_request(const void *frame, size_t size, struct wire_request *ret);

/**
 * wire_put_request() - build a frame
 * @frame: room for @room bytes, 8-aligned. @fixed: the message's fixed part. @strings: as many as the message has.
 * Return: the frame's size; -ENAMETOOLONG if a string or the frame is too long.
 */
long wire_put_request(void *frame, size_t room, enum wire_type type, uint32_t id, const void *fixed,
		      const char *const *strings);

/**
 * wire_put_dirent() - append a directory entry to a READDIR tail
 * @room: bytes that are left at @at. Return: bytes used, a multiple of 8; 0 if it does not fit.
 */
size_t wire_put_dirent(void *at, size_t room, uint64_t ino, uint64_t next, uint8_t type, const char *name,
		       size_t name_len);

/*
 * The arena: an array of slots in a memfd that the broker made, sealed against any other writer (F_SEAL_FUTURE_WRITE)
 * and against changes of size; mapped read-only by every shim. A slot belongs to one open object.
 *
 * Reading by grant (DESIGN D3, measured): gen = load acquire; if it differs from the grant's, ask again; the real
 * pread; fence acquire; load gen again; if it changed, ask again. The broker evicts by: bump gen, fence seq_cst, punch.
 */
#define WIRE_NO_SLOT UINT32_MAX

enum wire_slot_flag {
	WIRE_SLOT_COMPLETE = 1, /* every byte is present and stays so while anybody holds a descriptor: ask nothing */
	WIRE_SLOT_NO_CLAIM = 2, /* no base is left that a write could hit in part: write without claims */
};

struct wire_slot {
	_Atomic uint64_t gen;      /* bumped before anything is evicted or cut */
	_Atomic uint64_t base_end; /* bytes from here on were written in this session: reads need no grant */
	_Atomic uint32_t flags;    /* enum wire_slot_flag */
	uint32_t reserved[11];     /* one cache line a slot */
};
_Static_assert(sizeof(struct wire_slot) == 64, "a slot is a cache line");

#define WIRE_ARENA_SLOTS 16384
#define WIRE_ARENA_BYTES (WIRE_ARENA_SLOTS * sizeof(struct wire_slot))

/*
 * The environment between s3run, the shim and what it execs. Set by s3run or a harness:
 *   S3SHIM_SOCKET  the broker's socket, a path
 *   S3SHIM_ROUTES  mount points in the order of their index, absolute, separated by ':', which none of them has
 * Set by the shim at exec for the shim that comes after:
 *   S3SHIM_STATE   see shim/state.h
 */
#define WIRE_ENV_SOCKET "S3SHIM_SOCKET"
#define WIRE_ENV_ROUTES "S3SHIM_ROUTES"
#define WIRE_ROUTES_MAX (WIRE_PATH_MAX * 4) /* of its value, with the NUL */
#define WIRE_ENV_STATE  "S3SHIM_STATE"
#define WIRE_ENV_LINK   "S3SHIM_LINK" /* <fd>:<dev>:<ino> of a connection that is inherited; see shim/link.h */

#endif
