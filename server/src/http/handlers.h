// SPDX-License-Identifier: Apache-2.0
/* http/handlers.h - the handlers that XR_ROUTES names. Each answers one request as http/request.h asks of it. */
#pragma once

struct xr_request;

void xr_get_healthz(struct xr_request *req);
void xr_get_readyz(struct xr_request *req);

void xr_post_conversation(struct xr_request *req);
void xr_get_conversations(struct xr_request *req);
void xr_get_conversation(struct xr_request *req);
void xr_get_conversation_replays(struct xr_request *req);
void xr_get_turn_audio(struct xr_request *req);

void xr_post_replay(struct xr_request *req);
void xr_post_compare(struct xr_request *req);
void xr_get_replay(struct xr_request *req);
void xr_patch_replay(struct xr_request *req);
void xr_post_analyze(struct xr_request *req);
void xr_post_retry(struct xr_request *req);
void xr_get_result(struct xr_request *req);
void xr_get_replay_events(struct xr_request *req);

void xr_check_spans(struct xr_request *req); /* before the body of the next one */
void xr_post_spans(struct xr_request *req);

void xr_check_recording(struct xr_request *req); /* before the body of the next one */
void xr_post_recording(struct xr_request *req);
void xr_get_recording(struct xr_request *req);
void xr_get_levels(struct xr_request *req);
