"""The security checklist, item by item: where each promise is proven. Accounts, sessions and access (1 to 11, 15), mail
coming in (16 to 37), the live socket (38 to 41), what leaves (53).

A line names tests that exist, or this test fails.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

# item: promise | file: tests
CHECKLIST = """
1 a session's secret is new at sign-in and at each change, and dies at once
   doors/test_sessions.py: test_signing_in_gives_a_new_secret_and_kills_the_one_this_browser_had
   doors/test_sessions.py: test_a_renewed_session_has_one_heir_and_its_ancestor_is_dead
   laws/test_headers.py: test_every_answer_of_every_page_carries_every_header
2 every way out ends everything within five seconds
   doors/test_ways_out.py: test_every_way_out_closes_its_doors_and_no_other
   doors/test_socket_limits.py: test_what_ends_a_sign_in_ends_its_sockets_within_five_seconds
   doors/test_push.py: test_every_way_out_ends_the_push
   doors/test_imap_team.py: test_who_leaves_the_team_while_waiting_in_its_folder_is_shown_out_within_seconds
   doors/test_mail_passwords.py: test_stopping_one_shows_its_program_out_at_once_and_no_other
   doors/test_imap_sign_in.py: test_a_token_that_ended_shows_its_client_out
   doors/test_mail_tokens.py: test_what_it_opened_lasts_the_hours_of_the_house_and_ends_with_everything_else
3 sessions end; a dangerous act asks for a fresh second factor
   doors/test_sessions.py: test_half_an_hour_without_use_or_twelve_hours_end_a_session
   doors/test_passkeys.py: test_a_dangerous_act_asks_for_the_passkey_again_and_comes_back
   doors/test_delegates.py: test_what_changes_who_acts_asks_for_the_second_factor_again
   doors/test_sign_in_security.py: test_the_page_asks_for_a_second_factor_again_and_changes_nothing_without
   doors/test_mail_passwords.py: test_making_one_asks_again_who_one_is
4 a code works once, also of twenty at once
   doors/test_sign_in.py: test_twenty_at_once_with_one_code_let_one_in
   doors/test_passkeys.py: test_twenty_answers_to_one_challenge_open_one_session
   storage/test_factors.py: test_each_thing_that_serves_once_has_one_winner_of_twenty
5 a code ends in time, and serves where it was asked for
   storage/test_factors.py: test_a_proof_is_over_in_time_and_has_as_many_tries_as_it_has
   doors/test_passkeys.py: test_a_challenge_serves_once_in_time_and_for_what_it_was_made
   doors/test_oidc.py: test_a_code_serves_once_in_the_browser_that_left
6 guessing is slowed for an account, a source and the house, in every process
   doors/test_sign_in_brakes.py: test_one_proof_has_ten_tries_however_many_come_at_once
   doors/test_sign_in_brakes.py: test_a_stranger_who_hammers_locks_nobody_out
   doors/test_sign_in_brakes.py: test_a_source_and_the_whole_house_are_slowed
   doors/test_sign_in_brakes.py: test_mail_clients_are_braked_as_people_are_and_by_every_process
   doors/test_mail_passwords.py: test_strangers_who_guess_keep_no_device_out_and_its_owner_learns_of_them
7 nobody learns who has an account
   doors/test_sign_in_brakes.py: test_nobody_learns_from_an_answer_whether_an_identifier_is_somebodys
   doors/test_sign_in_brakes.py: test_nobody_learns_from_the_work_an_answer_takes
   doors/test_mail_passwords.py: test_known_and_unknown_addresses_are_counted_and_asked_alike
8 passwords are hashed aside, and keep nobody waiting
   doors/test_sign_in_brakes.py: test_fifty_sign_ins_at_once_keep_nobody_else_waiting
9 everybody asks for everything
   laws/test_matrix.py: test_every_route_has_a_rule_and_every_rule_a_route
   laws/test_matrix.py: test_every_event_has_a_rule_and_every_rule_an_event
   laws/test_matrix.py: test_nobody_is_shown_what_is_not_theirs_whatever_they_ask_for
   laws/test_matrix.py: test_nobody_does_in_the_live_chat_what_is_not_theirs
   laws/test_matrix_imap.py: test_the_folders_of_a_team_are_there_for_who_works_in_it_and_for_nobody_else
10 foreign and absent look the same
   laws/test_laws.py: test_law_5_absent_and_forbidden_are_the_same_answer
   doors/test_pages_refusals.py: test_what_is_not_marcels_looks_to_him_like_what_does_not_exist
11 a delegate's right ends at its instant, on open sockets too
   doors/test_delegates.py: test_an_open_page_and_an_open_socket_end_at_the_childs_majority
   doors/test_ways_out.py: test_the_end_of_a_delegation_closes_the_other_space_and_not_ones_own
   storage/test_delegations.py: test_at_eighteen_the_space_is_the_childs_and_the_parents_see_nothing_any_more
15 the check and the use are one transaction
   storage/test_races.py: test_nothing_begins_after_a_right_has_ended
   doors/test_imap_team.py: test_who_leaves_the_team_reads_nothing_of_it_from_then_on
16 a wrong certificate gets no further than MAIL
   doors/test_mx.py: test_a_wrong_certificate_does_not_get_as_far_as_mail
   doors/test_mx.py: test_a_certificate_of_the_right_authority_does_not_speak_for_another_domain
17 certificate or account, envelope and From agree; shown is who was verified
   doors/test_mx.py: test_from_must_be_of_the_operators_own_domain_and_single
   doors/test_submission.py: test_nobody_writes_in_somebody_elses_name
   doors/test_true_sender.py: test_who_is_shown_is_who_was_verified_or_nobody
18 only CR LF . CR LF ends a letter
   doors/test_mx.py: test_only_a_dot_alone_ends_a_letter_so_that_none_hides_in_another
   doors/test_smtp_tls.py: test_sixteen_ways_to_end_a_letter_early_make_no_second_one
   doors/test_smtp_syntax.py: test_a_letter_is_taken_exactly_when_each_of_its_lines_is_one
   doors/test_compose.py: test_nothing_typed_anywhere_adds_a_field_or_breaks_a_line
19 nothing said before the handshake is done after it
   doors/test_smtp_tls.py: test_nothing_said_before_the_handshake_is_done_after_it
   doors/test_smtp_tls.py: test_a_transaction_begun_in_clear_does_not_go_on_over_tls
20 who may not ask learns nothing of who exists, who may is counted
   doors/test_probing.py: test_who_may_not_ask_learns_nothing_in_code_text_or_time
   doors/test_probing.py: test_the_count_goes_on_from_connection_to_connection_and_is_told_to_operators
   doors/test_probing.py: test_a_wrong_key_is_no_address_where_keys_are_checked
21 no relay; the null sender brings notices only
   doors/test_mx.py: test_we_relay_for_nobody
   doors/test_mx_letters.py: test_the_null_sender_brings_automatic_notices_only
   doors/test_dsn.py: test_nobody_is_told_of_a_letter_from_nobody
22 caps, answered while reading
   doors/test_mx.py: test_a_letter_over_25_mb_is_refused_before_and_after_it_is_sent
   doors/test_mx.py: test_what_cannot_be_a_letter_is_refused_and_the_next_one_taken
   doors/test_mx.py: test_at_most_a_hundred_recipients
   doors/test_hostile_mail.py: test_each_cap_refuses_with_its_own_code
23 a fault of ours is 4xx and says nothing of itself
   doors/test_mail_faults.py: test_a_fault_of_ours_is_a_451_without_a_word_of_what_it_was
   doors/test_mail_faults.py: test_a_locked_database_is_a_451_and_other_peers_are_greeted_meanwhile
   doors/test_hostile_run.py: test_five_hundred_spoiled_letters_each_have_their_answer_and_nobody_waits
24 the same letter again is shown once, another is never hidden
   doors/test_mail_faults.py: test_a_letter_brought_again_after_a_lost_250_is_shown_once
   doors/test_mail_faults.py: test_another_content_under_the_same_identifier_is_another_letter
25 no script of a letter runs, nothing is asked of anybody
   browser/test_hostile.py: test_nothing_of_118_letters_and_11_texts_runs_or_asks_anybody_for_anything
   doors/test_hostile_html.py: test_no_letter_in_html_keeps_anything_that_runs_or_is_fetched
   doors/test_hostile_html.py: test_a_letter_that_a_browser_would_mend_for_ever_costs_little
26 HTML stands in a frame that can do nothing
   doors/test_pages_refusals.py: test_a_letter_made_to_run_scripts_is_only_words
   browser/test_hostile.py: test_nothing_in_a_letter_runs_or_asks_for_anything
   doors/test_hostile_html.py: test_the_reader_is_told_in_their_language_that_images_were_taken_out
27 thirty-eight charsets, from an allow-list
   doors/test_headers.py: test_a_text_in_thirty_eight_charsets_is_read_and_none_of_them_runs
   doors/test_headers.py: test_a_text_in_any_charset_is_readable_and_none_is_executed
   doors/test_headers.py: test_a_text_that_is_not_what_it_says_is_read_as_far_as_it_goes_and_its_octets_are_at_hand
28 no decoded field holds a control
   doors/test_headers.py: test_encoded_words_become_one_clean_line
   doors/test_hostile_mail.py: test_no_field_value_raises_or_leaks_a_control
   doors/test_hostile_mail.py: test_no_letter_makes_anything_but_a_letter_or_a_refusal
   doors/test_mime.py: test_a_file_name_is_a_bare_name_in_every_way_of_writing_it
   doors/test_imap_describe.py: test_whatever_the_mail_its_description_can_be_parsed
29 odd headers: the true sender or a refusal
   doors/test_true_sender.py: test_who_is_shown_is_who_was_verified_or_nobody
   doors/test_headers.py: test_addresses_are_read_by_the_grammar_and_nothing_encoded_makes_one
   doors/test_mime.py: test_two_from_fields_are_both_there_for_the_door_to_refuse
30 nothing enters the agenda by itself
   doors/test_imip_hostile.py: test_no_calendar_enters_the_agenda_by_itself_nor_keeps_its_letter_out
   doors/test_imip_hostile.py: test_nothing_in_a_calendar_is_fetched
   doors/test_parts.py: test_an_invitation_within_a_forwarded_letter_is_nobodys_to_answer
31 a DOCTYPE is not parsed
   doors/test_cda.py: test_a_document_that_could_harm_is_refused_before_it_is_parsed
   doors/test_mx_letters.py: test_an_archive_that_cannot_be_read_is_delivered_and_says_so
32 a narrative is shown by our transform, never by its stylesheet
   doors/test_narrative.py: test_nothing_of_a_hostile_narrative_is_more_than_text
   doors/test_cda.py: test_a_self_presenting_file_is_read_without_running_its_stylesheet
33 an archive that could deceive is not opened
   doors/test_xdm.py: test_an_archive_that_could_deceive_is_not_opened
   doors/test_xdm.py: test_a_bomb_costs_no_time_and_no_memory
34 hash and size are those announced
   doors/test_xdm.py: test_a_document_whose_hash_is_not_the_announced_one_is_damaged
   doors/test_xdm.py: test_a_document_changed_after_its_metadata_were_written_is_damaged
35 a document of somebody else is held
   doors/test_wrong_patient.py: test_a_document_about_somebody_else_is_held_and_the_patient_sees_nothing
36 documents are read in a process of its own, with its measure of everything
   doors/test_parser_process.py: test_a_reader_has_its_measure_of_everything_and_none_of_our_secrets
   doors/test_parser_process.py: test_a_letter_whose_archive_cannot_be_read_in_time_is_read_all_the_same
37 a file is what its octets are, and is given in a sandbox
   doors/test_parts.py: test_a_file_is_given_as_what_it_is_and_never_runs
   doors/test_pages_refusals.py: test_only_what_is_what_it_says_is_shown
   browser/test_hostile.py: test_a_pdf_opens_in_a_window_of_its_own_and_a_disguised_page_does_not
38 a socket is of our own pages and of somebody signed in
   doors/test_socket.py: test_a_page_of_another_site_opens_no_socket_with_dominiques_cookie
   doors/test_socket.py: test_there_is_no_long_polling_whose_address_would_be_a_key
39 the right is asked at each event and each push
   doors/test_socket_limits.py: test_dominique_follows_her_childs_mailbox_until_her_right_ends
40 a socket has its measure
   doors/test_socket_limits.py: test_a_frame_over_the_limit_ends_the_socket
   doors/test_socket_limits.py: test_who_sends_too_fast_is_slowed_down_not_lost
   doors/test_socket_limits.py: test_a_sixth_window_ends_the_oldest
   doors/test_socket_limits.py: test_who_never_reads_holds_little_and_is_cut
41 after any cut everything is there, once, in order
   doors/test_socket.py: test_fifty_cuts_while_letters_come_lose_none_and_double_none
   browser/test_fresh_state.py: test_what_stands_on_each_screen_is_what_a_reload_would_show
53 what leaves says that a message waits
   doors/test_notices.py: test_what_leaves_says_that_a_message_waits_and_nothing_else
   doors/test_push.py: test_a_browser_is_woken_at_once_by_a_call_that_holds_nothing
"""
ITEM = re.compile(r"^(\d+) (.+)$", re.MULTILINE)
PROOF = re.compile(r"^   (\S+\.py): (\S+)$", re.MULTILINE)


def test_every_promise_is_proven_by_a_test_that_exists() -> None:
    items = [int(number) for number, _ in ITEM.findall(CHECKLIST)]
    assert items == [*range(1, 12), 15, *range(16, 42), 53]
    for part in ITEM.split(CHECKLIST)[3::3]:
        proofs = PROOF.findall(part)
        assert proofs, part
        for file, name in proofs:
            text = (TESTS / file).read_text(encoding="utf-8")
            assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), (file, name)
