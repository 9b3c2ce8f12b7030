/* A guard and somebody who stands there, in C. What one learns: the same three calls, with plain structs and arrays.
 *
 *   g++ -std=c++17 -Iinclude -c src/npcw.cpp && gcc -std=c11 -Iinclude -c example/guard.c && g++ guard.o npcw.o -lzmq -o guard
 *   npc-sdk serve --model constant-velocity  in one terminal: this game has fewer fields than the arena's model knows
 *   ./guard tcp://127.0.0.1:5757 10          in another: prints tick, fault, rung and place of the guard, for 10 seconds */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "npcw/npcw.h"

#define HZ 30
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const npcw_field POSE[] = {
    {.name = "x", .unit = "m", .low = -16, .high = 16, .role = "x"},
    {.name = "y", .unit = "m", .low = -16, .high = 16, .role = "y"},
    {.name = "vx", .unit = "m/s", .low = -12, .high = 12, .role = "vx"},
    {.name = "vy", .unit = "m/s", .low = -12, .high = 12, .role = "vy"},
};
static const npcw_entity ENTITIES[] = {
    {.name = "player", .role = "player", .max_count = 1, .fields = POSE, .field_count = COUNT(POSE)},
    {.name = "npc", .role = "npc", .max_count = 1, .fields = POSE, .field_count = COUNT(POSE)},
};
static const npcw_channel CHANNELS[] = {
    {.name = "move_x", .unit = "m/s", .low = -6, .high = 6},
    {.name = "move_y", .unit = "m/s", .low = -6, .high = 6},
};
static const double SHED[] = {-1, 7, 1, 7, 1, 9, -1, 9};
static const npcw_polygon POLYGONS[] = {{.name = "shed", .kind = "wall", .vertices = SHED, .vertex_count = 4}};
static const npcw_schema SCHEMA = {
    .game = "guard",
    .tick_hz = HZ,
    .bounds = {-12, -12, 12, 12},
    .entities = ENTITIES,
    .entity_count = COUNT(ENTITIES),
    .channels = CHANNELS,
    .channel_count = COUNT(CHANNELS),
    .kinematics = {.max_speed = 4, .max_acceleration = 16, .brake = 16, .radius = 0.35, .turn_rate = 6.28},
    .polygons = POLYGONS,
    .polygon_count = COUNT(POLYGONS),
};

static int stand(void *user, int64_t tick, uint32_t id, const float pose[4], float *command) {
    (void)user, (void)tick, (void)id, (void)pose;
    command[0] = command[1] = 0;
    return 1;
}

static void frame(npcw_client *client, int tick, float guard[4]) {
    static const uint32_t guard_id = 101, player_id = 1;
    static const float player[4] = {3, 0, 0, 0};
    float command[COUNT(CHANNELS)];
    uint8_t rung;
    npcw_poll(client);
    npcw_step(client, tick, 1, &guard_id, guard, NULL, command, &rung);
    for (int axis = 0; axis < 2; ++axis) {
        guard[2 + axis] = command[axis];
        guard[axis] = (float)(guard[axis] + command[axis] / (double)HZ);
    }
    const npcw_block blocks[] = {{"player", &player_id, player, 1}, {"npc", &guard_id, guard, 1}};
    npcw_push(client, tick + 1, blocks, COUNT(blocks));
    const char *fault = npcw_fault(client);
    printf("tick %d %s %d %.4f %.4f\n", tick, *fault ? fault : "fine", rung, guard[0], guard[1]);
    if (strcmp(fault, "reported") == 0) printf("%s: %s\n", npcw_fault_text(client), npcw_fault_remedy(client));
}

int main(int count, char **arguments) {
    npcw_client *client = npcw_open(count > 1 ? arguments[1] : "tcp://127.0.0.1:5757", &SCHEMA, stand, NULL);
    if (!client) return fprintf(stderr, "expected an endpoint such as tcp://127.0.0.1:5757\n"), 2;
    const double seconds = count > 2 ? atof(arguments[2]) : 10;
    float guard[4] = {-9, 1, 0, 0};
    const struct timespec pause = {.tv_nsec = 1000000000 / HZ};
    for (int tick = 0; tick < seconds * HZ; ++tick) {
        frame(client, tick, guard);
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
    const npcw_counters n = npcw_count(client);
    printf("counters planned %llu sent %llu\n", (unsigned long long)n.planned, (unsigned long long)n.snapshots_sent);
    npcw_close(client);
    return 0;
}
