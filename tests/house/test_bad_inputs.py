"""The sixty bad inputs, and which test shows each: all of them 4xx or a plain refusal, and nothing changes.

1 to 40 are tests with these numbers in their names. 41 to 60 reach what signs, syncs, reads files or is configured,
and are shown where that is tested.
"""

from __future__ import annotations

import re

from tests.house.shown import holes, names_in

NUMBERED = ("web/test_bad_inputs.py", "web/test_bad_scans.py")
SHOWN = {
    41: ("hub/test_receiving.py::test_blocks_that_do_not_follow_are_asked_for_from_the_right_place",
         "hub/test_receiving.py::test_two_signed_blocks_at_one_height_are_both_kept",
         "hub/test_receiving.py::test_a_shorter_chain_with_another_head_is_a_fork_too",
         "ledger/test_chain.py::test_a_block_follows_its_own_parent_only"),
    42: ("ledger/test_keys.py::test_a_changed_bit_is_refused",
         "ledger/test_keys.py::test_s_plus_l_is_refused_as_often_as_it_fits",
         "ledger/test_keys.py::test_keys_of_small_order_are_refused_in_every_writing",
         "hub/test_receiving.py::test_changed_requests_change_nothing_that_is_signed_for"),
    43: ("hub/test_receiving.py::test_strangers_get_a_plain_no",
         "hub/test_receiving.py::test_a_revoked_and_a_replaced_node_are_refused",
         "sync/test_uplink.py::test_an_answer_of_anyone_else_changes_nothing"),
    44: ("hub/test_honesty.py::test_a_block_that_does_not_do_what_it_says_is_quarantined_alone",
         "ledger/test_chain.py::test_each_untrue_field_of_execution_is_found_and_leaves_nothing",
         "ledger/test_evm.py::test_every_kind_of_failure_has_words",  # a loop without end costs its gas
         "ledger/test_block.py::test_a_block_is_bounded_before_it_is_read",
         "sync/test_frames.py::test_a_bomb_is_stopped_while_it_unpacks"),
    45: ("ledger/test_chain.py::test_each_wrong_field_has_its_own_refusal",
         "node/test_sealing.py::test_header_time_over_hundreds_of_blocks_of_a_clock_gone_mad"),
    46: ("hub/test_receiving.py::test_everything_twice_and_in_any_order_is_the_same",
         "hub/test_leases.py::test_a_request_that_arrives_much_too_late_changes_nothing"),
    47: ("sync/test_frames.py::test_cut_at_every_offset_it_gives_the_whole_frames_before_the_cut",
         "hub/test_receiving.py::test_a_bundle_cut_anywhere_leaves_a_good_beginning"),
    48: ("sync/test_client.py::test_what_is_not_our_hub_is_called_by_its_name",
         "sync/test_client.py::test_nobody_there_and_a_line_that_goes_silent",
         "sync/test_client.py::test_a_slow_line_is_not_a_silent_one"),
    49: ("sync/test_uplink.py::test_a_receipt_is_believed_only_if_it_is_about_our_own_checkpoint",
         "ledger/test_merkle.py::test_a_path_holds_for_one_position_only",
         "ledger/test_merkle.py::test_a_proof_needs_exactly_its_length"),
    50: ("hub/test_receiving.py::test_a_hub_put_back_from_a_backup_asks_again_and_contradicts_nothing",
         "hub/test_restored.py::test_what_cannot_be_made_whole_stands_still_and_says_so"),
    51: ("hub/test_receiving.py::test_programs_that_do_not_fit_say_so",
         "sync/test_frames.py::test_unknown_frames_fail_alone_or_are_skipped"),
    52: ("hub/test_anchoring.py::test_the_wrong_chain_gets_nothing",
         "hub/test_anchoring.py::test_a_reorganisation_takes_an_anchor_back_and_it_is_anchored_again",
         "hub/test_anchoring.py::test_a_nonce_that_somebody_used_sets_the_batch_aside",
         "hub/test_mainchain.py::test_the_very_same_waiting_transaction_again_is_fine",
         "hub/test_mainchain.py::test_an_answer_that_cannot_be_is_no_answer",
         "ledger/test_verify.py::test_a_server_that_talks_something_else_is_exit_code_3",
         "ledger/test_verify.py::test_a_number_of_the_main_chain_that_is_none_is_said_in_one_line"),
    53: ("hub/test_enrolment.py::test_of_many_at_once_one_wins",
         "hub/test_enrolment.py::test_late_unknown_replaced_and_foreign_codes_are_refused",
         "sync/test_uplink.py::test_two_copies_of_a_disk_both_stop_signing_and_lose_nothing",
         "sync/test_recovery.py::test_a_disk_takes_only_a_code_of_its_own_site_and_a_later_chain"),
    54: ("sync/test_discovery.py::test_strange_announcements_are_passed_over",
         "sync/test_discovery.py::test_a_thousand_announcements_are_a_few"),
    55: ("node/test_config.py::test_what_cannot_be_is_refused_in_one_line",
         "node/test_config.py::test_any_bytes_are_settings_or_refused",
         "hub/test_config.py::test_what_cannot_be_is_refused_in_one_line"),
    56: ("node/test_config.py::test_any_bytes_are_settings_or_refused",),  # TOML has no such thing
    57: ("ledger/test_keys.py::test_a_key_file_that_others_can_use_is_refused",
         "ledger/test_keys.py::test_what_is_not_a_plain_file_is_refused",
         "ledger/test_keys.py::test_a_file_that_holds_no_key_is_refused_without_showing_it",
         "node/test_identity.py::test_foreign_keys_are_refused"),
    58: ("node/test_cli.py::test_a_folder_or_database_that_cannot_be_used_is_said_in_one_line",
         "node/test_cli.py::test_a_folder_that_is_mounted_read_only_is_said_and_changes_nothing",
         "node/test_cli.py::test_one_process_writes_and_others_are_told_to_wait",
         "node/test_cli.py::test_a_folder_of_any_name_is_a_nodes",
         "node/test_store.py::test_a_newer_database_is_refused_untouched",
         "node/test_sealing.py::test_an_older_database_under_a_newer_mark_signs_nothing",
         "node/test_sealing.py::test_a_database_whose_log_was_deleted_signs_nothing"),
    59: ("sync/test_client.py::test_the_environment_decides_nothing",
         "sync/test_client.py::test_addresses_that_are_none",
         "node/test_config.py::test_what_cannot_be_is_refused_in_one_line"),
    60: ("hub/test_catalogue.py::test_what_is_wrong_is_said_with_its_line_and_nothing_is_taken",
         "hub/test_catalogue.py::test_no_bytes_crash_the_reader",
         "sync/test_recovery.py::test_a_disk_takes_only_a_code_of_its_own_site_and_a_later_chain"),
}  # fmt: skip


def numbers_of(name: str) -> set[int]:
    """The numbers in front of a test's name: 26_and_27, 01_to_08."""
    found = re.match(r"test_(\d\d)(?:_(and|to)_(\d\d))?_", name)
    if found is None:
        return set()
    first, last = int(found[1]), int(found[3] or found[1])
    return set(range(first, last + 1)) if found[2] == "to" else {first, last}


def test_each_of_the_sixty_has_its_test() -> None:
    numbered = {number for file in NUMBERED for name in names_in(file) for number in numbers_of(name)}
    assert numbered | set(SHOWN) == set(range(1, 61)) and not numbered & set(SHOWN)
    assert not holes(SHOWN), holes(SHOWN)
