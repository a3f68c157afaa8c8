// SPDX-License-Identifier: Apache-2.0
#include "spec/schema.h"
#include "spec/spec.h"
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define RECORD(table, type) {.fields = (table), .count = COUNT(table), .size = sizeof(type)}

/* The reader and writer store enums as unsigned. */
_Static_assert(sizeof(enum xr_role) == sizeof(unsigned), "enums are as wide as unsigned");
_Static_assert(sizeof(enum xr_audio_kind) == sizeof(unsigned), "enums are as wide as unsigned");
_Static_assert(sizeof(enum xr_assertion_kind) == sizeof(unsigned), "enums are as wide as unsigned");

static const char *const ROLES[] = {[XR_ROLE_USER] = "user", [XR_ROLE_AGENT] = "agent"};
static const char *const AUDIO_KINDS[] = {[XR_AUDIO_RECORDED] = "recorded", [XR_AUDIO_TTS] = "tts"};
static const char *const JUDGE_KINDS[] = {"text_match"};
static const char *const ASSERTION_KINDS[XR_ASSERT_KIND_COUNT] = {
    [XR_ASSERT_CONTAINS] = "contains",
    [XR_ASSERT_NOT_CONTAINS] = "not_contains",
    [XR_ASSERT_EQUALS] = "equals",
    [XR_ASSERT_REGEX] = "regex",
    [XR_ASSERT_TOOL_CALLED] = "tool_called",
    [XR_ASSERT_TOOL_NOT_CALLED] = "tool_not_called",
    [XR_ASSERT_TOOL_ARGS_MATCH] = "tool_args_match",
    [XR_ASSERT_MAX_LATENCY_MS] = "max_latency_ms",
    [XR_ASSERT_MAX_TTFT_MS] = "max_ttft_ms",
};

const char *xr_role_name(enum xr_role role) {
    return ROLES[role];
}

const char *xr_assertion_kind_name(enum xr_assertion_kind kind) {
    return ASSERTION_KINDS[kind];
}

enum {
    IS_CONTAINS = 1 << XR_ASSERT_CONTAINS | 1 << XR_ASSERT_NOT_CONTAINS,
    IS_EQUALS = 1 << XR_ASSERT_EQUALS,
    IS_REGEX = 1 << XR_ASSERT_REGEX,
    IS_ARGS = 1 << XR_ASSERT_TOOL_ARGS_MATCH,
    IS_TOOL = 1 << XR_ASSERT_TOOL_CALLED | 1 << XR_ASSERT_TOOL_NOT_CALLED | IS_ARGS,
    IS_MAX = 1 << XR_ASSERT_MAX_LATENCY_MS | 1 << XR_ASSERT_MAX_TTFT_MS,
};

#define AT(member) .offset = offsetof(struct xr_assertion, member)
static const struct xr_field ASSERTION_FIELDS[] = {
    {"args", XR_FIELD_ARGS, AT(args), .kinds = IS_ARGS},
    {"case_insensitive", XR_FIELD_BOOL, AT(case_insensitive), .kinds = IS_CONTAINS | IS_EQUALS, .optional = true,
     .fallback = true},
    {"flags", XR_FIELD_STRING, AT(flags), .kinds = IS_REGEX, .optional = true, .max = XR_REGEX_FLAGS_MAX,
     .alphabet = "gimsuy", .pattern = "[gimsuy]{0,8}"},
    {"kind", XR_FIELD_KIND, AT(kind), .names = ASSERTION_KINDS, .name_count = COUNT(ASSERTION_KINDS)},
    {"max_ms", XR_FIELD_INT, AT(max_ms), .kinds = IS_MAX, .min = 1, .max = XR_MAX_MS_MAX},
    {"name", XR_FIELD_STRING, AT(text), .kinds = IS_TOOL, .min = 1, .max = XR_TOOL_NAME_MAX},
    {"pattern", XR_FIELD_STRING, AT(text), .kinds = IS_REGEX, .min = 1, .max = XR_ASSERTION_TEXT_MAX},
    {"text", XR_FIELD_STRING, AT(text), .kinds = IS_CONTAINS, .min = 1, .max = XR_ASSERTION_TEXT_MAX},
    {"text", XR_FIELD_STRING, AT(text), .kinds = IS_EQUALS, .max = XR_ASSERTION_TEXT_MAX},
    {"trim", XR_FIELD_BOOL, AT(trim), .kinds = IS_EQUALS, .optional = true, .fallback = true},
};
static const struct xr_record ASSERTION_RECORD = RECORD(ASSERTION_FIELDS, struct xr_assertion);
#undef AT

#define AT(member) .offset = offsetof(struct xr_turn_spec, member)
#define IF(member) .present = offsetof(struct xr_turn_spec, member)
static const struct xr_field AUDIO_FIELDS[] = {
    {"kind", XR_FIELD_KIND, AT(audio), .names = AUDIO_KINDS, .name_count = COUNT(AUDIO_KINDS)},
    {"sha256", XR_FIELD_SHA256, AT(sha256), IF(has_sha256), .forms = XR_FORM_CANONICAL},
    {"upload_key", XR_FIELD_STRING, AT(upload_key), .forms = XR_FORM_REQUEST, .kinds = 1 << XR_AUDIO_RECORDED, .min = 1,
     .max = XR_UPLOAD_KEY_MAX, .alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-",
     .pattern = "[A-Za-z0-9_.-]{1,128}"},
    {"voice_id", XR_FIELD_STRING, AT(voice_id), IF(has_voice_id), .optional = true, .kinds = 1 << XR_AUDIO_TTS,
     .max = XR_VOICE_ID_MAX},
};
static const struct xr_record AUDIO_RECORD = RECORD(AUDIO_FIELDS, struct xr_turn_spec);

static const struct xr_field TURN_FIELDS[] = {
    {"assertions", XR_FIELD_LIST, AT(assertions), .count = offsetof(struct xr_turn_spec, assertion_count),
     .optional = true, .max = XR_ASSERTIONS_MAX, .record = &ASSERTION_RECORD},
    {"audio", XR_FIELD_OBJECT, .optional = true, .record = &AUDIO_RECORD},
    {"key", XR_FIELD_STRING, AT(key), IF(has_key), .optional = true, .min = 1, .max = XR_TURN_KEY_MAX},
    {"role", XR_FIELD_CHOICE, AT(role), .names = ROLES, .name_count = COUNT(ROLES)},
    {"text", XR_FIELD_STRING, AT(text), IF(has_text), .optional = true, .max = XR_TURN_TEXT_MAX},
};
static const struct xr_record TURN_RECORD = RECORD(TURN_FIELDS, struct xr_turn_spec);
#undef AT
#undef IF

#define AT(member) .offset = offsetof(struct xr_judge_spec, member)
#define IF(member) .present = offsetof(struct xr_judge_spec, member)
static const struct xr_field JUDGE_FIELDS[] = {
    {"kind", XR_FIELD_CONST, .names = JUDGE_KINDS, .name_count = COUNT(JUDGE_KINDS)},
    {"pass_score", XR_FIELD_INT, AT(pass_score), .optional = true, .max = XR_PASS_SCORE_MAX,
     .fallback = XR_PASS_SCORE_DEFAULT},
    {"reference", XR_FIELD_STRING, AT(reference), .min = 1, .max = XR_REFERENCE_MAX},
    {"rubric", XR_FIELD_STRING, AT(rubric), IF(has_rubric), .optional = true, .max = XR_RUBRIC_MAX},
};
static const struct xr_record JUDGE_RECORD = RECORD(JUDGE_FIELDS, struct xr_judge_spec);
#undef AT
#undef IF

#define AT(member) .offset = offsetof(struct xr_spec, member)
#define IF(member) .present = offsetof(struct xr_spec, member)
static const struct xr_field SPEC_FIELDS[] = {
    {"judges", XR_FIELD_LIST, AT(judges), .count = offsetof(struct xr_spec, judge_count), .optional = true,
     .max = XR_JUDGES_MAX, .record = &JUDGE_RECORD},
    {"live", XR_FIELD_BOOL, AT(live), .optional = true, .omit_false = true},
    {"live_salt", XR_FIELD_UUID, AT(live_salt), IF(live), .optional = true, .forms = XR_FORM_CANONICAL},
    {"name", XR_FIELD_STRING, AT(name), .forms = XR_FORM_REQUEST, .min = 1, .max = XR_NAME_MAX},
    {"turns", XR_FIELD_LIST, AT(turns), .count = offsetof(struct xr_spec, turn_count), .max = XR_TURNS_MAX,
     .record = &TURN_RECORD},
};
const struct xr_record XR_SPEC_RECORD = RECORD(SPEC_FIELDS, struct xr_spec);
#undef AT
#undef IF

const struct xr_field *xr_record_kind_field(const struct xr_record *record) {
    for (size_t i = 0; i < record->count; i++) {
        enum xr_field_type type = record->fields[i].type;
        if (type == XR_FIELD_KIND || type == XR_FIELD_CONST)
            return &record->fields[i];
    }
    return NULL;
}

unsigned xr_record_kind(const struct xr_record *record, const void *object) {
    const struct xr_field *field = xr_record_kind_field(record);
    unsigned kind = 0;
    if (field && field->type == XR_FIELD_KIND)
        memcpy(&kind, (const char *)object + field->offset, sizeof kind);
    return kind;
}

bool xr_field_applies(const struct xr_field *field, unsigned form, unsigned kind) {
    return (field->forms == 0 || (field->forms & form)) && (field->kinds == 0 || (field->kinds & 1u << kind));
}

static void append_text(char out[XR_ERR_PATH_MAX], size_t *len, const char *text) {
    while (*text && *len + 1 < XR_ERR_PATH_MAX)
        out[(*len)++] = *text++;
    out[*len] = '\0';
}

/* Recursion is as deep as the schema: root, list, element, list, element, member. */
static void append_path(const struct xr_path *path, char out[XR_ERR_PATH_MAX], size_t *len) {
    char index[32];
    if (!path->parent)
        return;
    append_path(path->parent, out, len);
    if (path->key) {
        if (*len > 0)
            append_text(out, len, ".");
        append_text(out, len, path->key);
    } else {
        snprintf(index, sizeof index, "[%zu]", path->index);
        append_text(out, len, index);
    }
}

void xr_path_format(const struct xr_path *path, char out[XR_ERR_PATH_MAX]) {
    size_t len = 0;
    out[0] = '\0';
    append_path(path, out, &len);
}

bool xr_json_depth_within(yyjson_val *value, int max) {
    size_t i, n;
    yyjson_val *key, *item;
    if (!yyjson_is_ctn(value))
        return true;
    if (max <= 0)
        return false;
    if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, i, n, key, item) {
            if (!xr_json_depth_within(item, max - 1))
                return false;
        }
    } else {
        yyjson_arr_foreach(value, i, n, item) {
            if (!xr_json_depth_within(item, max - 1))
                return false;
        }
    }
    return true;
}
