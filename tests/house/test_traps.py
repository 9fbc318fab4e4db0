"""What went wrong in other programs of this kind, and the tests that show that it does not here."""

from __future__ import annotations

from tests.house.shown import holes

SHOWN = {
    # ---------------------------------------------------------------- what is on its way
    "a crash between what was sent and what is known to have come": (
        "browser/test_faults.py::test_every_scan_is_counted_once_whatever_fails",
        "browser/test_outbox.py::test_scans_outlive_reload_close_and_silence",
        "sync/test_uplink.py::test_a_node_that_dies_in_a_cycle_is_never_taken_for_two",
    ),
    "an answer that is lost, and the same block again and again": (
        "hub/test_receiving.py::test_a_lost_acknowledgement_is_given_again",
        "hub/test_receiving.py::test_everything_twice_and_in_any_order_is_the_same",
        "web/test_outbox.py::test_a_yes_and_a_no_are_noted_and_a_retry_is_not_a_second_act",
    ),
    "a link that is back while nobody scans": (
        "sync/test_uplink.py::test_the_syncer_keeps_its_pace_and_backs_off",
        "browser/test_outbox.py::test_scans_outlive_reload_close_and_silence",
    ),
    "two tablets that send one count": (
        "node/test_two_tablets.py::test_a_bin_that_is_open_on_one_tablet_is_the_same_count_on_the_other",
        "browser/test_outbox.py::test_one_person_counts_a_bin_on_two_tablets",
        "browser/test_outbox.py::test_two_pages_of_one_tablet_send_everything_once",
    ),
    "a node that is set up anew over what it has not sent": (
        "node/test_identity.py::test_init_refuses_a_folder_in_use_and_changes_nothing",
        "sync/test_recovery.py::test_a_disk_takes_only_a_code_of_its_own_site_and_a_later_chain",
        "sync/test_recovery.py::test_recording_again_cut_short_anywhere_goes_on",
    ),
    "a log-out before everything is sent": (
        "browser/test_outbox.py::test_what_somebody_did_waits_for_them_also_after_log_out",
    ),
    # ---------------------------------------------------------------- chains
    "a block that poisons the queue": (
        "hub/test_honesty.py::test_a_block_that_does_not_do_what_it_says_is_quarantined_alone",
        "hub/test_receiving.py::test_a_quarantined_chain_is_kept_but_not_acknowledged",
    ),
    "a node from last week's backup": (
        "sync/test_uplink.py::test_a_database_put_back_from_a_backup_gets_its_blocks_again",
        "sync/test_uplink.py::test_a_node_that_went_back_and_signed_on_is_a_fork_with_both_branches_kept",
    ),
    "a cloned node": (
        "hub/test_receiving.py::test_a_cloned_disk_is_found_and_both_are_frozen_until_someone_decides",
        "sync/test_recovery.py::test_of_a_cloned_disk_both_machines_acts_are_kept",
    ),
    "a replaced node that comes back": (
        "hub/test_receiving.py::test_a_revoked_and_a_replaced_node_are_refused",
    ),
    # ---------------------------------------------------------------- proofs
    "a proof that is cut, of another place, or with its sides changed": (
        "ledger/test_merkle.py::test_a_path_holds_for_one_position_only",
        "ledger/test_merkle.py::test_a_proof_needs_exactly_its_length",
        "ledger/test_merkle.py::test_one_changed_bit_in_a_proof_is_noticed",
        "ledger/test_receipt.py::test_a_proof_of_another_length_or_order_is_refused",
    ),
    "a node of the tree that is taken for a leaf": (
        "ledger/test_merkle.py::test_every_root_to_130_is_that_of_the_definition",
        "ledger/test_merkle.py::test_published_roots_and_proofs",
    ),
    "a receipt that is huge, or says where to ask": (
        "ledger/test_receipt.py::test_a_huge_file_is_refused_unread",
        "ledger/test_receipt.py::test_an_unknown_or_repeated_name_is_refused",
        "ledger/test_receipt.py::test_the_contract_that_a_verifier_names_counts_and_not_the_files",
    ),
    "an anchor that is older than what a server finds by its hash": (
        "ledger/test_receipt.py::test_an_anchor_is_found_by_block_and_event",
    ),
    # ---------------------------------------------------------------- scanners
    "a separator that a keyboard wedge drops": (
        "node/test_scanning.py::test_packs_variable_counts_and_doubtful_codes",
    ),
    "another keyboard layout, and a locked shift": (
        "web/test_bad_scans.py::test_34_another_keyboard_layout_and_a_locked_shift",
        "browser/test_wedge.py::test_the_layout_test_says_whose_keyboard_is_wrong",
    ),
    "a scan into the field of an amount": (
        "browser/test_any_page.py::test_an_amount_that_is_asked_back_outlives_a_scan",
        "browser/test_count.py::test_twenty_of_twenty_scans_arrive_in_order_and_a_typing_hand_gives_none",
    ),
    "an amount of thirteen digits": (
        "node/test_counting_amounts.py::test_packs_multiply_and_a_fraction_comes_out_exactly_or_is_refused",
        "node/test_scanning.py::test_a_quantity_beyond_reason_is_parked",
    ),
    # ---------------------------------------------------------------- counting
    "a count of zero": (
        "node/test_counting.py::test_an_empty_bin_is_a_line_of_its_own",
    ),
    "a count without any difference": (
        "contracts/test_counts.py::test_lines_are_posted_one_by_one_and_without_variance_too",
    ),
    "half a pack": (
        "node/test_counting_amounts.py::test_packs_multiply_and_a_fraction_comes_out_exactly_or_is_refused",
    ),
    "a pack whose content changes": (
        "node/test_count_traps.py::test_a_pack_that_changes_while_a_bin_is_open_counts_as_what_it_was_when_it_was_scanned",
        "node/test_packs.py::test_a_barcode_means_at_any_time_what_it_meant_then",
    ),
    "more received than ordered": (
        "node/test_stock_limits.py::test_more_than_the_tolerance_or_something_else_needs_a_reason",
    ),
    "a move during a count": (
        "node/test_counting.py::test_a_move_during_the_count_makes_it_unstable_and_is_never_erased",
    ),
    "a move before a count that is entered after it": (
        "node/test_count_traps.py::test_an_open_count_is_unstable_by_what_was_done_before_it",
        "node/test_count_traps.py::test_a_move_done_before_a_count_in_review_sends_the_bin_back_to_be_counted",
    ),
    "a move that is dated before a posted count": (
        "node/test_count_traps.py::test_a_move_done_before_a_posted_count_and_entered_after_it_has_the_bin_counted_again",
        "node/test_count_traps.py::test_what_was_done_after_the_count_leaves_it_alone",
    ),
}  # fmt: skip


def test_each_trap_has_its_test() -> None:
    assert not holes(SHOWN), holes(SHOWN)


def test_a_hole_would_be_seen() -> None:
    assert holes({"gone": ("house/test_traps.py::test_of_old",), "none": ()}) == [
        "none: nothing",
        "gone: house/test_traps.py::test_of_old",
    ]
