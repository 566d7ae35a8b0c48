/* The names of the library's functions in the linker's eyes: a program that links it must not find
 * its own str_eq() there.  The source, and whoever includes these headers, says them without the
 * prefix.
 *
 * Every function of the public headers stands here; tests/tidy/library.py compares. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

/* clang-format off */
/* NOLINTBEGIN(readability-identifier-naming): these are functions, by another name */
#define arena_alloc              bigbrotr_arena_alloc
#define arena_copy               bigbrotr_arena_copy
#define arena_done               bigbrotr_arena_done
#define arena_init               bigbrotr_arena_init
#define arena_reset              bigbrotr_arena_reset
#define arena_shrink_last        bigbrotr_arena_shrink_last
#define bech32_decode            bigbrotr_bech32_decode
#define bech32_encode            bigbrotr_bech32_encode
#define err_blame                bigbrotr_err_blame
#define err_name                 bigbrotr_err_name
#define err_named                bigbrotr_err_named
#define err_set                  bigbrotr_err_set
#define err_text                 bigbrotr_err_text
#define event_draft_id           bigbrotr_event_draft_id
#define event_hash_tags          bigbrotr_event_hash_tags
#define event_json               bigbrotr_event_json
#define event_kind_is_ephemeral  bigbrotr_event_kind_is_ephemeral
#define event_limits_archived    bigbrotr_event_limits_archived
#define event_limits_default     bigbrotr_event_limits_default
#define event_scan               bigbrotr_event_scan
#define event_scan_untagged      bigbrotr_event_scan_untagged
#define event_tag_first          bigbrotr_event_tag_first
#define event_tag_hash           bigbrotr_event_tag_hash
#define filter_asked             bigbrotr_filter_asked
#define filter_spec_free         bigbrotr_filter_spec_free
#define filter_spec_from_json    bigbrotr_filter_spec_from_json
#define filter_spec_identity     bigbrotr_filter_spec_identity
#define filter_spec_kinds        bigbrotr_filter_spec_kinds
#define filter_spec_new          bigbrotr_filter_spec_new
#define filter_spec_set          bigbrotr_filter_spec_set
#define filter_spec_since        bigbrotr_filter_spec_since
#define filter_spec_until        bigbrotr_filter_spec_until
#define filter_takes_kind        bigbrotr_filter_takes_kind
#define filter_wanted            bigbrotr_filter_wanted
#define filter_write             bigbrotr_filter_write
#define hex_decode               bigbrotr_hex_decode
#define hex_encode               bigbrotr_hex_encode
#define hint_source_name         bigbrotr_hint_source_name
#define hint_weight              bigbrotr_hint_weight
#define hints_of_document        bigbrotr_hints_of_document
#define hints_of_event           bigbrotr_hints_of_event
#define hints_of_text            bigbrotr_hints_of_text
#define hints_part               bigbrotr_hints_part
#define message_notice_refuses   bigbrotr_message_notice_refuses
#define message_parse            bigbrotr_message_parse
#define message_prefix           bigbrotr_message_prefix
#define network_name             bigbrotr_network_name
#define network_named            bigbrotr_network_named
#define network_is_overlay_name  bigbrotr_network_is_overlay_name
#define nip11_contradiction_name bigbrotr_nip11_contradiction_name
#define nip11_free               bigbrotr_nip11_free
#define nip11_lists              bigbrotr_nip11_lists
#define nip11_parse              bigbrotr_nip11_parse
#define nip19_decode             bigbrotr_nip19_decode
#define nip19_encode             bigbrotr_nip19_encode
#define nip19_encode_list        bigbrotr_nip19_encode_list
#define nip19_identifier         bigbrotr_nip19_identifier
#define nip19_relay              bigbrotr_nip19_relay
#define nip66_fingerprint        bigbrotr_nip66_fingerprint
#define nip66_monitor            bigbrotr_nip66_monitor
#define nip66_profile            bigbrotr_nip66_profile
#define nip66_relay              bigbrotr_nip66_relay
#define nip66_relay_list         bigbrotr_nip66_relay_list
#define reject_name              bigbrotr_reject_name
#define reject_text              bigbrotr_reject_text
#define secret_free              bigbrotr_secret_free
#define secret_key_read          bigbrotr_secret_key_read
#define secret_new               bigbrotr_secret_new
#define sha256_add               bigbrotr_sha256_add
#define sha256_final             bigbrotr_sha256_final
#define sha256_init              bigbrotr_sha256_init
#define sha256_of                bigbrotr_sha256_of
#define sign_event               bigbrotr_sign_event
#define signer_auth_event        bigbrotr_signer_auth_event
#define signer_free              bigbrotr_signer_free
#define signer_new               bigbrotr_signer_new
#define signer_pubkey            bigbrotr_signer_pubkey
#define signer_sign              bigbrotr_signer_sign
#define str_copy                 bigbrotr_str_copy
#define str_cut                  bigbrotr_str_cut
#define str_ends                 bigbrotr_str_ends
#define str_eq                   bigbrotr_str_eq
#define str_eq_nocase            bigbrotr_str_eq_nocase
#define str_escape               bigbrotr_str_escape
#define str_escape_text          bigbrotr_str_escape_text
#define str_find                 bigbrotr_str_find
#define str_next_entry           bigbrotr_str_next_entry
#define str_starts               bigbrotr_str_starts
#define str_trim                 bigbrotr_str_trim
#define str_u64                  bigbrotr_str_u64
#define str_utf8                 bigbrotr_str_utf8
#define str_z                    bigbrotr_str_z
#define url_any_address          bigbrotr_url_any_address
#define url_copy                 bigbrotr_url_copy
#define url_parse                bigbrotr_url_parse
#define url_refusal_name         bigbrotr_url_refusal_name
#define url_refusal_text         bigbrotr_url_refusal_text
#define url_wire                 bigbrotr_url_wire
#define verifier_check           bigbrotr_verifier_check
#define verifier_event           bigbrotr_verifier_event
#define verifier_free            bigbrotr_verifier_free
#define verifier_new             bigbrotr_verifier_new
/* NOLINTEND(readability-identifier-naming) */
/* clang-format on */

#endif
