// SPDX-License-Identifier: Apache-2.0
/* base/limits.h - the bounds of the server that more than one file knows, by name. A buffer, queue or recursion without
 * a named bound, here or in its own file, is a defect. */
#pragma once
#include <stdint.h>

/* A bound as text in a message: "at most " XR_NUMERAL(XR_TURNS_MAX). Of plain numbers only. */
#define XR_NUMERAL_OF(n) #n
#define XR_NUMERAL(bound) XR_NUMERAL_OF(bound)

#define XR_KIB(n) ((size_t)(n) * 1024)
#define XR_MIB(n) ((size_t)(n) * 1024 * 1024)

/* HTTP: bodies, connections, memory. */
#define XR_BODY_CONVERSATION_MAX XR_MIB(512)
#define XR_BODY_RECORDING_MAX XR_MIB(512)
#define XR_BODY_REPLAY_MAX XR_KIB(64)
#define XR_RUN_CONFIG_MAX (8 * XR_BODY_REPLAY_MAX) /* written again: 1e20 has 21 digits, U+0085 six letters */
#define XR_BODY_COMPARE_MAX XR_KIB(16)
#define XR_SPEC_MAX XR_KIB(256) /* the multipart part `spec`, UTF-8 bytes */
#define XR_TURN_FILE_MAX XR_MIB(50) /* one recorded turn */
#define XR_MULTIPART_HEADER_MAX XR_KIB(8) /* headers of one part */
#define XR_MULTIPART_PARTS_MAX (XR_TURNS_MAX + 16) /* parts of one form */
#define XR_MULTIPART_FIELDS_MAX XR_MIB(1) /* all parts of one form that are no files */
#define XR_MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 */
#define XR_BODY_IGNORED_MAX XR_KIB(64) /* of a body that a route has no use for */
#define XR_BODIES_MEMORY_MAX XR_MIB(256) /* bodies in memory, and rows of spans made of them, of all requests */
#define XR_RESPONSES_MEMORY_MAX XR_MIB(512) /* large responses that are being sent, of all requests; one always may */
#define XR_RESPONSE_LARGE XR_MIB(1) /* a longer one counts */
#define XR_BODY_ROOM 16 /* behind a body, for parsers that work in place */
#define XR_WRITEBACK_STEP XR_MIB(1) /* bytes of an upload after which writing to the disk is started */
#define XR_ASSET_MAX XR_MIB(16) /* one embedded file, inflated */
#define XR_DRAIN_MAX XR_MIB(600) /* of a refused body, read and dropped so that the client sees the answer */
#define XR_CONNECTIONS_MAX 4096u
#define XR_CONNECTION_MEMORY XR_KIB(32) /* headers and read buffer; cleared after each request, so no more */
#define XR_REQUEST_ARENA_MAX XR_MIB(16)
#define XR_RESPONSE_MAX XR_MIB(64)
#define XR_COMPARISON_MAX (XR_COMPARE_MAX * XR_RESPONSE_MAX) /* as many details in one response */
#define XR_DETAIL_ARENA_MAX XR_MIB(32) /* the rows of one array of a detail */
#define XR_RESPONSE_HEADERS_MAX 12 /* that a handler adds to one response */
#define XR_HTTP_STOP_S 5 /* running requests may take so long at the end */
#define XR_IDLE_TIMEOUT_S 60 /* keep-alive without a request, or headers that do not end */
#define XR_BODY_STALL_S 20 /* a body without a byte for so long is 408 */
#define XR_BODY_MIN_RATE 1024 /* bytes a second, averaged, after XR_BODY_GRACE_S */
#define XR_BODY_GRACE_S 60
#define XR_SSE_HEARTBEAT_S 15
#define XR_EVENT_MAX (XR_RESPONSE_MAX + XR_KIB(1)) /* one event: a result and its frame */
#define XR_SSE_QUEUE_MAX 1024 /* undelivered events of one subscriber; more and it is dropped */
#define XR_SUBSCRIBERS_MAX 2000
#define XR_LIST_LIMIT_MAX 500
#define XR_LIST_LIMIT_DEFAULT 100
#define XR_LIST_ROWS_MAX (XR_LIST_LIMIT_MAX + 1) /* read for a page: one more tells whether there is a next one */
#define XR_LIST_CACHE_ENTRIES 16
#define XR_LIST_CACHE_BODY_MAX XR_MIB(1)
#define XR_LIST_CACHE_KEY_MAX 512 /* longer ones are not cached */
#define XR_DETAIL_CACHE_ENTRIES 64 /* finished replays */
#define XR_DETAIL_CACHE_BODY_MAX XR_MIB(8)
#define XR_DETAIL_CACHE_MAX XR_MIB(32) /* all of them */
#define XR_ISSUES_MAX 50 /* problems reported of one body */
#define XR_COMPARE_MIN 2
#define XR_COMPARE_MAX 8

/* A conversation. */
#define XR_JSON_DEPTH_MAX 64
#define XR_NAME_MAX 256
#define XR_TURNS_MAX 1024
#define XR_JUDGES_MAX 8
#define XR_ASSERTIONS_MAX 32
#define XR_TURN_TEXT_MAX 65536
#define XR_TURN_KEY_MAX 128
#define XR_UPLOAD_KEY_MAX 128
#define XR_VOICE_ID_MAX 1024
#define XR_ASSERTION_TEXT_MAX 2048
#define XR_TOOL_NAME_MAX 256
#define XR_REGEX_FLAGS_MAX 8
#define XR_REFERENCE_MAX 8192
#define XR_RUBRIC_MAX 2048
#define XR_PASS_SCORE_DEFAULT 70
#define XR_PASS_SCORE_MAX 100
#define XR_MAX_MS_MAX INT64_C(9007199254740991) /* the largest integer that every client's double holds */
#define XR_SPEC_DEPTH_MAX (XR_JSON_DEPTH_MAX + 8) /* the spec around an `args` object is 5 levels */
/* ASCII escapes make at most 6 bytes of one (U+007F), the longest numbers 22 of 5, defaults and hashes less. */
#define XR_CANONICAL_MAX (8 * XR_SPEC_MAX)

/* Audio. */
#define XR_RATE 48000
#define XR_WAV_CHUNKS_MAX 4096 /* chunks walked before a WAV is given up */
#define XR_WAV_CHANNELS_MAX 64
#define XR_RECORDING_MS_MAX (XR_BODY_RECORDING_MAX / 4 / (XR_RATE / 1000)) /* 16-bit stereo that fits the body cap */
#define XR_SEGMENTS_MAX 100000 /* per channel */
#define XR_AUDIO_WINDOW_FRAMES 65536 /* frames read at once */
#define XR_LEVEL_BUCKET_MIN_MS 10
#define XR_LEVEL_BUCKET_MAX_MS 1000
#define XR_LEVEL_BUCKET_DEFAULT_MS 100

/* Spans. */
#define XR_REPLAY_SPANS_MAX 5000
#define XR_REPLAY_SPAN_MIB_MAX 24 /* text of one replay's spans: its detail has at most twice as much */
#define XR_REPLAY_SPAN_BYTES_MAX XR_MIB(XR_REPLAY_SPAN_MIB_MAX)
#define XR_BODY_OTLP_MAX XR_MIB(16) /* inflated */
#define XR_OTLP_INLINE_MAX XR_KIB(32) /* a longer body is not read on a request thread */
#define XR_OTLP_SPANS_MAX 8192 /* of one request */
#define XR_OTLP_DEPTH_MAX 32 /* arrays and key-value lists around a value */
#define XR_OTLP_VALUES_MAX XR_MIB(128) /* yyjson's values of one body */
#define XR_OTLP_ATTRS_MAX (1u << 20) /* of one span or resource, repeated keys counted */
#define XR_OTLP_ARENA_MAX XR_MIB(64) /* rows of one request */
#define XR_OTLP_ARGS_MAX XR_MIB(4) /* of JSON text in an attribute: parsing takes up to 16 times as much */
#define XR_OTLP_ARGS_DEPTH_MAX XR_JSON_DEPTH_MAX /* of a tool's arguments in JSON text; deeper is kept as a string */

/* Messages of assertions. */
#define XR_MESSAGE_MAX XR_KIB(8)
#define XR_MESSAGE_EXCERPT_MAX 200 /* code points of a transcript, an expected text or arguments */
#define XR_MESSAGE_NAMES_MAX 5 /* tool names listed */

/* Regular expressions. */
#define XR_REGEX_TIME_MS 80 /* of processor time */
#define XR_REGEX_GRACE_MS 10 /* for the engine to see that its time is up, before it is cancelled */
#define XR_REGEX_WALL_MS 2000 /* also of a run that waits for a processor */
#define XR_REGEX_REPLAY_MS 60000 /* all of one replay, by the wall; the rest are `errored` */
#define XR_REGEX_MEMORY XR_MIB(16)
#define XR_REGEX_STACK XR_KIB(256)
#define XR_REGEX_STACK_MARGIN                                                                                          \
    XR_MIB(2) /* of its thread's stack, which the engine does not know of; a sanitizer's too */

/* Providers. */
#define XR_TTS_WAV_MAX XR_MIB(64)
#define XR_PROVIDER_URL_MAX 2048
#define XR_PROVIDER_KEY_MAX 4096
#define XR_PROVIDER_NAME_MAX 1024 /* a model's or a voice's name */
#define XR_PROVIDERS_CONFIG_MAX XR_KIB(256) /* three keys of full length, and what finds them in a text */
#define XR_PROVIDERS_WARNINGS_MAX XR_KIB(16)
#define XR_PROVIDER_ERROR_MAX 512 /* of a provider's own words in an error message */
#define XR_PROVIDER_CONCURRENCY_MAX 256 /* calls of one replay, or of one conversation's speech, at once */
#define XR_PROVIDER_SHARES 4 /* so many replays can have all of theirs at one provider; unless each has only one */
#define XR_PROVIDER_ANSWERS_MAX XR_MIB(512) /* all responses of providers that are in memory, but for */
#define XR_PROVIDER_ANSWER_SMALL XR_MIB(1) /* the beginning of each */
#define XR_PROVIDER_BODY_MAX XR_MIB(32) /* one request to a provider: 12 minutes of speech even as base64 */
#define XR_CLOUD_RATE 16000 /* Hz of the speech that is sent away: what speech recognition works with */
#define XR_CLOUD_CUT_MS_MIN 200 /* a shorter turn is sent with silence behind it: OpenAI refuses less than 100 ms */
#define XR_TTS_KEY_MAX XR_MIB(1) /* the JSON text that a cache key is the hash of */
#define XR_TTS_TOKEN_MAX 48 /* bytes without a space that local speech takes as one word */
#define XR_TTS_SENTENCE_MAX 500 /* letters (a digit is six) spoken at once: memory grows with them */
#define XR_UTTERANCE_MAX_S 30 /* decoded at once by local transcription */
#define XR_JUDGE_ARENA_MAX XR_MIB(64) /* words of one local judgement */
#define XR_TASKS_MAX 8192 /* queued tasks of one pool */

/* Store and queue. */
#define XR_WRITES_MAX 8192 /* writes waiting for the writer */
#define XR_WRITE_GROUP_MAX 512 /* writes in one commit */
#define XR_BULK_HOLD_MS 5 /* after another write, none of them begins for so long, in case one more follows, */
#define XR_BULK_HOLD_MAX_MS 15 /* but no longer than this after the last of them */
#define XR_BULK_GROUP_MS 20 /* a group of bulk writes takes no more of them after so long */
#define XR_BUSY_TIMEOUT_MS 2000 /* another process holds the database */
/* Pages in the log after which an idle writer copies them to the database, and after which a busy one does: while it
 * does, about 15 ms, nothing is committed. */
#define XR_WAL_CHECKPOINT_PAGES 1000
#define XR_WAL_PAGES_MAX 2000
#define XR_FOLD_ARENA_MAX XR_KIB(16) /* a conversation's name in lower case */
#define XR_STATEMENTS_MAX 128 /* prepared statements of one connection */
#define XR_STORE_PROBE_MS 1000 /* after a failed commit: how soon an idle writer tries again by itself */
#define XR_WRITER_CACHE_KIB 4096 /* page cache of each file's write connection */
#define XR_READER_CACHE_KIB 1024 /* page cache of one reader */
#define XR_DISK_RESERVE XR_MIB(64) /* below it uploads are 507 and /readyz says so */
#define XR_JOB_ATTEMPTS 3
#define XR_JOB_BACKOFF_MS 500 /* doubled each attempt, plus up to half of it at random */
#define XR_JOB_BACKOFF_MAX_MS 60000 /* before what is added at random */
#define XR_JOB_LEASE_MARGIN_S 30 /* lease = twice the stage time-out (once waiting for a provider) + this */
#define XR_SWEEP_NAMES_MAX 262144 /* names held at once by the sweep of files at start */
#define XR_LAST_ERROR_MAX 1024
#define XR_LOG_LINE_MAX XR_KIB(4)

/* Jobs. */
#define XR_CHAINS_MAX 256 /* replays in analysis at once; most of them wait for a provider */
#define XR_CHAIN_ARENA_MAX XR_MIB(64) /* rows of one analysis, its tools' arguments among them */
#define XR_CALL_ARENA_MAX XR_MIB(4) /* one provider call's result */
#define XR_SWEEP_BATCH 64 /* stalled replays or lost jobs handled in one write */
#define XR_LEASE_SWEEP_S 5
#define XR_STALL_SWEEP_MAX_S 60
#define XR_ENDING_RETRY_MS 1000 /* a job's ending that could not be written is tried again after it */
#define XR_STOP_WAIT_S 4 /* SIGTERM: running work may finish for so long, then it is leased back */
