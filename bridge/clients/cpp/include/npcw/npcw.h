/* NPCW for C, and for everything that calls C: the game's end of the protocol as plain structs and arrays.
 *
 * Places are in metres, x to the right and y up; angles in radians counter-clockwise from x. All calls of one client come from one
 * thread. No call waits, and none throws. Strings and arrays that you pass are copied; those you get are valid until the next call.
 * Where a string is NULL or a struct is zero, the default of docs/reference/schema.md holds. */
#ifndef NPCW_H
#define NPCW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct npcw_field {
    const char *name, *unit;
    double low, high;
    const char *role;
    const char *nan; /* reject (default), clamp, mask */
    double default_value;
    const char *coding; /* f32 (default), f16, q16, q8 */
} npcw_field;

typedef struct npcw_entity {
    const char *name, *role;
    uint32_t max_count;
    const npcw_field *fields;
    size_t field_count;
} npcw_entity;

typedef struct npcw_channel {
    const char *name, *unit;
    double low, high;
    const char *kind; /* continuous (default), discrete */
    double default_value;
    uint32_t count; /* of a discrete one */
    int hold;
} npcw_channel;

typedef struct npcw_kinematics {
    double max_speed, max_acceleration, brake, radius, turn_rate;
    const char *kind; /* velocity (default), car, grid ... */
    double cell;      /* of a grid */
    int diagonals;
} npcw_kinematics;

typedef struct npcw_polygon {
    const char *name, *kind;
    const double *vertices; /* x and y of each */
    size_t vertex_count;
    int see_through;
} npcw_polygon;

typedef struct npcw_schema {
    const char *game;
    double tick_hz;
    const char *coordinates; /* wire (default), unity, unreal, godot, pygame */
    double bounds[4];        /* lowest x and y, highest x and y */
    const npcw_entity *entities;
    size_t entity_count;
    const npcw_channel *channels;
    size_t channel_count;
    npcw_kinematics kinematics;
    const npcw_polygon *polygons;
    size_t polygon_count;
    const char *const *barks;
    size_t bark_count;
    double origin[2];
} npcw_schema;

/* Rows of one entity type: ids, and values in the order of its fields, row by row. */
typedef struct npcw_block {
    const char *entity;
    const uint32_t *ids;
    const float *values;
    size_t rows;
} npcw_block;

/* The game's own behaviour for an NPC without a plan: writes a number a channel and returns 1; 0, or what is not finite: brake. */
typedef int (*npcw_fallback)(void *user, int64_t tick, uint32_t id, const float pose[4], float *command);

typedef struct npcw_counters {
    uint64_t planned, tail, callback, brake, stale_dropped, off_pose; /* NPC-ticks */
    uint64_t snapshots_sent, snapshots_dropped;
} npcw_counters;

typedef struct npcw_client npcw_client;

enum { NPCW_PLAN, NPCW_TAIL, NPCW_CALLBACK, NPCW_BRAKE, NPCW_NONE };

/* Begins to connect to the data channel of a brain; `fallback` may be NULL. Returns NULL where the endpoint is none or memory is short. */
npcw_client *npcw_open(const char *endpoint, const npcw_schema *schema, npcw_fallback fallback, void *user);

/* Takes in what has arrived; returns how many actions were accepted. */
size_t npcw_poll(npcw_client *client);

/* Picks what n NPCs do in this tick. pose: n 4, x y vx vy before this tick moves anybody. alive: n, or NULL: all.
 * commands: n, a number a channel each. rung: n, NPCW_PLAN ..., or NULL. Returns 0 where memory is short; commands are then 0. */
int npcw_step(npcw_client *client, int64_t tick, size_t n, const uint32_t *ids, const float *pose, const uint8_t *alive,
              float *commands, uint8_t *rung);

/* Sends where everybody is; 0 if nothing was sent: no session, the brain does not read, or fault says what is wrong. */
int npcw_push(npcw_client *client, int64_t tick, const npcw_block *blocks, size_t count);

/* Opens another session, after a level restart, or with another schema where one is given: ticks may start anew. */
void npcw_restart(npcw_client *client, const npcw_schema *schema);

/* What is wrong now: connecting, not_listening, not_ours, lost, silent, local or reported; "" if nothing is. Its text, and what to do about it. */
const char *npcw_fault(const npcw_client *client);
const char *npcw_fault_text(const npcw_client *client);
const char *npcw_fault_remedy(const npcw_client *client);

/* Number of the open session, 0 if there is none. */
uint32_t npcw_session(const npcw_client *client);

/* The bark of an NPC in the newest action, after npcw_poll accepted one: its text, "" without one. */
const char *npcw_bark(const npcw_client *client, uint32_t id);

npcw_counters npcw_count(const npcw_client *client);

/* Says goodbye and frees everything; NULL is fine. */
void npcw_close(npcw_client *client);

#ifdef __cplusplus
}
#endif
#endif
