// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "evaluate/evaluate.h"

enum { MAX = 8 };

/* Roles as letters: 'u' and 'a'. */
struct example {
    const char *spec, *heard;
    size_t map[MAX];
};
static const struct example ALIGNED[] = {
    {"", "", {0}},
    {"", "ua", {0}},
    {"ua", "ua", {0, 1}},
    {"ua", "uaua", {0, 1}},
    {"ua", "aua", {1, 2}},
    {"au", "uau", {1, 2}},
    {"uaua", "uaua", {0, 1, 2, 3}},
    {"uu", "uau", {0, 2}},
    {"aa", "uaua", {1, 3}},
    {"uua", "uaua", {0, 2, 3}},
};

static const struct {
    const char *spec, *heard, *message;
} RUN_OUT[] = {
    {"u", "", "turn 0 of the conversation (user) was not heard among 0 turns"},
    {"ua", "u", "turn 1 of the conversation (agent) was not heard among 1 turns"},
    {"ua", "au", "turn 1 of the conversation (agent) was not heard among 2 turns"},
    {"uaua", "uau", "turn 3 of the conversation (agent) was not heard among 3 turns"},
    {"uu", "uaa", "turn 1 of the conversation (user) was not heard among 3 turns"},
};

struct scene {
    struct xr_turn_spec spec_turns[MAX];
    struct xr_spec spec;
    struct xr_turn turns[MAX];
    size_t turn_count;
};

static void set_scene(struct scene *scene, const char *spec, const char *heard) {
    *scene = (struct scene){.turn_count = strlen(heard)};
    scene->spec.turns = scene->spec_turns;
    scene->spec.turn_count = strlen(spec);
    for (size_t i = 0; spec[i]; i++)
        scene->spec_turns[i].role = spec[i] == 'u' ? XR_ROLE_USER : XR_ROLE_AGENT;
    for (size_t i = 0; heard[i]; i++)
        scene->turns[i].role = heard[i] == 'u' ? XR_CHANNEL_USER : XR_CHANNEL_AGENT;
}

static void each_turn_takes_the_next_of_its_role(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ALIGNED / sizeof *ALIGNED; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(1 << 12);
        struct scene scene;
        size_t *map = NULL;
        print_message("%s in %s\n", ALIGNED[i].spec, ALIGNED[i].heard);
        set_scene(&scene, ALIGNED[i].spec, ALIGNED[i].heard);
        assert_int_equal(xr_align(&scene.spec, scene.turns, scene.turn_count, arena, &map, NULL), XR_OK);
        for (size_t k = 0; k < scene.spec.turn_count; k++)
            assert_int_equal(map[k], ALIGNED[i].map[k]);
    }
}

static void running_out_is_a_conflict_that_names_the_turn(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof RUN_OUT / sizeof *RUN_OUT; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(1 << 12);
        struct scene scene;
        size_t *map = NULL;
        struct xr_err err = {0};
        set_scene(&scene, RUN_OUT[i].spec, RUN_OUT[i].heard);
        assert_int_equal(xr_align(&scene.spec, scene.turns, scene.turn_count, arena, &map, &err), XR_CONFLICT);
        assert_string_equal(err.message, RUN_OUT[i].message);
        assert_null(map);
    }
}

static void a_full_arena_is_an_error(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(8);
    struct scene scene;
    size_t *map = NULL;
    set_scene(&scene, "ua", "ua");
    assert_int_equal(xr_align(&scene.spec, scene.turns, scene.turn_count, arena, &map, NULL), XR_NO_MEMORY);
    assert_null(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_turn_takes_the_next_of_its_role),
        cmocka_unit_test(running_out_is_a_conflict_that_names_the_turn),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
