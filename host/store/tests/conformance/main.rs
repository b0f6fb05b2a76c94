//! What every backend of the store promises, tested through the port alone.
//!
//! A test is a function that takes a [`world::World`]: an empty store, its clock, and a way to open it again. To test a
//! backend, write a file like `sqlite.rs` that makes such a world, and add a line at the end of this file. No test sleeps: time
//! is a value.

#![expect(clippy::unwrap_used, reason = "a test that can't go on is to say where")]

mod added;
mod apps;
mod cleanup;
mod create;
mod engines;
mod fencing;
mod grace;
mod history;
mod leases;
mod lists;
mod networks;
mod objects;
mod operations;
mod providers;
mod quotas;
mod restart;
mod sqlite;
mod variables;
mod world;
mod world_copied;
mod world_keys;
mod world_nodes;
mod world_pipeline;
mod world_postgres;
mod world_relocate;
mod world_returned;

/// Declares every test for each backend.
macro_rules! conformance {
    ($($backend:ident),+; $groups:tt) => {
        mod on {
            $(mod $backend {
                crate::declare! { $backend; $groups }
            })+
        }
    };
}

macro_rules! declare {
    ($backend:ident; { $($group:ident { $($test:ident),+ $(,)? })+ }) => {
        $(mod $group {
            $(#[tokio::test]
            async fn $test() {
                let Some(world) = crate::$backend::world() else { return };
                crate::$group::$test(world).await;
            })+
        })+
    };
}
use declare;

conformance! { sqlite, world_postgres; {
    create {
        an_addon_is_created_whole,
        nothing_is_stored_for_an_unknown_app,
        a_live_name_is_taken_and_a_dead_one_is_free,
        reserved_variables_are_taken,
        the_same_request_is_answered_the_same_for_a_day,
        many_at_once_all_come_to_be,
        whether_an_addon_is_protected_can_be_changed_while_it_lives,
    }
    objects {
        what_changes_is_made_anew_and_what_does_not_stays,
        what_is_wanted_meanwhile_is_due_when_the_holder_ends,
        what_could_not_be_made_is_tried_again_when_it_is_asked_for_again,
        what_stays_as_it_is_makes_no_work,
        a_port_is_one_containers_until_it_is_gone,
        a_communal_server_is_made_once_and_takes_its_users_along,
        a_server_is_deleted_without_users_or_not_at_all,
    }
    operations {
        an_update_is_adopted_when_it_is_configured,
        what_a_failed_operation_changed_is_brought_back,
        an_addon_has_one_operation_at_a_time,
        sharers_follow_what_their_owner_gives,
        a_sharer_that_is_being_made_follows_as_soon_as_it_is_ready,
        what_a_follow_changed_that_began_twice_is_brought_back,
        what_a_follow_changed_that_failed_in_an_overlap_is_not_kept,
        a_transfer_is_kept_as_long_as_it_runs,
        health_is_noted_of_ready_addons_only,
    }
    grace {
        a_deleted_addon_is_gone_and_all_that_it_holds_is_kept,
        an_addon_that_is_had_back_is_as_it_was,
        what_somebody_else_has_by_now_is_in_the_way,
        a_grace_outlives_restarts_and_ends_when_it_was_to,
        a_grace_that_is_cut_short_is_over,
        a_part_that_can_be_had_back_keeps_the_other_in_use_until_that_ends,
        its_objects_are_looked_at_when_it_goes_and_when_it_comes_back,
        deleted_ones_are_listed_while_they_can_be_had_back,
    }
    engines {
        addons_go_where_the_most_room_is_and_stay_there,
        many_at_once_are_spread,
        an_addon_that_needed_none_gets_one_when_it_does,
        a_part_is_where_the_whole_is,
        an_addon_that_is_had_back_takes_room_again,
        an_app_can_have_a_place,
        an_addon_is_not_forgotten_while_it_has_objects,
        an_engine_is_forgotten_when_nobody_can_miss_it,
    }
    added {
        a_name_that_addons_are_on_is_that_machines,
        an_engine_that_is_added_is_there_after_a_restart,
        a_name_is_one_engines_and_so_is_a_url,
        an_engine_moves_while_nobody_is_on_it,
        there_is_a_bounded_number_of_engines,
    }
    quotas {
        an_app_has_as_many_addons_as_it_may,
        many_at_once_do_not_get_past_a_quota,
        a_plan_has_as_many_addons_as_it_may,
        plan_quotas_are_set_under_a_revision,
        an_addon_that_is_had_back_takes_its_places_again,
        an_update_takes_a_place_only_in_another_plan,
        an_update_under_way_has_a_place_in_both_plans,
    }
    networks {
        a_container_is_in_the_networks_of_all_who_use_it,
        what_is_ready_is_told_anew_and_what_is_under_way_is_asked_again,
        an_app_gets_a_network_whatever_is_under_way_and_is_told,
        an_app_that_could_not_be_told_is_told_later_and_later,
        a_server_is_in_the_networks_of_those_who_share_its_parts,
        an_addon_that_comes_back_elsewhere_is_configured_anew,
    }
    fencing {
        a_result_needs_the_lease,
        a_delete_takes_the_right_to_write,
        a_delete_does_not_let_calls_overlap,
        a_superseded_holder_that_dies_blocks_nobody_for_long,
        illegal_events_store_nothing,
        a_checkpoint_needs_the_lease,
        a_released_lease_is_worth_nothing,
    }
    leases {
        due_work_is_leased_once_until_the_lease_runs_out,
        renewed_leases_last,
        released_work_is_due_when_told,
        waiting_work_is_leased_when_it_is_due,
        what_is_poked_during_a_lease_is_due_once_when_it_ends,
        a_poke_does_not_wake_what_rests,
        providers_take_turns,
        one_provider_gets_all_when_alone,
        saturated_providers_are_left_out,
        an_overdue_addon_ends_without_a_call,
        tokens_rise_over_rests,
        watchers_hear_of_due_work,
        whatever_is_due_is_found,
    }
    variables {
        variables_appear_when_ready_and_vanish_when_deleted,
        variables_that_nobody_outside_is_told_of_are_set_with_their_commit,
        what_precedes_an_event_is_stored_with_it_or_not_at_all,
        any_variables_are_claimed_when_they_arrive,
        a_taken_variable_refuses_the_configuration,
        addons_without_app_claim_nothing,
        reserved_names_that_did_not_arrive_stay_reserved,
    }
    cleanup {
        state_and_secrets_go_with_the_cleanup,
        nothing_begun_needs_no_cleanup,
        a_failed_cleanup_comes_again,
        an_error_cleans_up,
    }
    history {
        entries_are_numbered_per_addon_and_ordered_over_all,
        entries_are_read_page_by_page,
        watchers_hear_of_entries,
        state_is_stored_with_the_outcome_or_not_at_all,
            a_short_state_comes_with_the_lease,
        logs_are_bounded,
        a_history_without_end_is_bounded,
        what_happens_over_and_over_is_bounded_and_what_became_of_it_stays,
    }
    apps {
        apps_are_created_listed_and_deleted,
        a_cascade_is_all_or_nothing,
        a_cascade_takes_a_bounded_number_along,
        own_variables_are_set_and_unset,
        a_patch_is_all_or_nothing,
        an_app_has_a_bounded_number_of_variables,
    }
    providers {
        an_upload_is_checked_and_becomes_active,
        a_refused_version_is_checked_again_when_it_comes_again,
        only_checked_versions_can_be_activated,
        a_version_waits_until_what_it_requires_is_granted,
        what_serves_has_described_itself_under_the_present_options,
        limits_are_set_under_a_revision,
        everything_that_is_done_is_in_the_audit_log,
        a_provider_in_use_is_not_removed,
        a_forced_removal_makes_its_work_due,
        components_go_with_their_last_version,
    }
    lists {
        filters_select_and_pages_follow_each_other,
    }
    restart {
        everything_is_there_after_a_restart,
        the_clock_goes_on,
        old_rows_are_forgotten,
    }
}}
