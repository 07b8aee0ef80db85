/**
 * style.h - how a server differs from Amazon's, as far as a session has learned; kept by client.
 *
 * Conditions: Amazon's take If-Match and If-None-Match on PUT and on Complete. Some compare the ETag without its quotes
 * only (Ceph 16), some know no conditions and say 501. Copies of parts: some have none. Each is said in the log once.
 * Threads: any; takes store->lock.
 */
#ifndef S3SHIM_OBJECT_STYLE_H
#define S3SHIM_OBJECT_STYLE_H

#include <stdbool.h>

struct name;
struct object_store;
struct s3_client;

enum style_condition { STYLE_QUOTED, STYLE_BARE, STYLE_NONE }; /* tried in this order */

enum style_condition style_condition(struct object_store *s, const struct s3_client *client);
void style_set_condition(struct object_store *s, const struct name *n, enum style_condition kind); /* never back */

bool style_has_part_copy(struct object_store *s, const struct s3_client *client);
void style_set_no_part_copy(struct object_store *s, const struct name *n);

void style_free(struct object_store *s);

#endif
