//! The bugs that can be planted in the library (`executor/src/plant.rs`), and the tests of the suite that each must break:
//! what shows that the suite can fail. Used by the step `plants`; what each bug is says tests/PLANTS.md.

/// A test that a planted bug must break.
pub(crate) struct Broken {
    /// What `DAGWOOD_PLANT` is set to for the run.
    pub(crate) plant: &'static str,
    /// The file of the test.
    pub(crate) file: &'static str,
    pub(crate) test: &'static str,
    /// What it says then.
    pub(crate) words: &'static str,
}

/// What the suite's watchdog says of a test that does not end.
const HANGS: &str = "HANGS: ";

const fn broken(
    plant: &'static str,
    file: &'static str,
    test: &'static str,
    words: &'static str,
) -> Broken {
    Broken {
        plant,
        file,
        test,
        words,
    }
}

/// All of them; each scenario of tests/README.md is here (a test below).
pub(crate) const BROKEN: &[Broken] = &[
    broken(
        "implicit_token",
        "jobserver",
        "j1_without_tokens_all_goes_on_with_one_worker::on_fibers",
        "(0, 0)",
    ),
    broken(
        "overdrawn",
        "jobserver",
        "j2_never_more_run_than_there_are_tokens::on_fibers",
        "at once",
    ),
    broken(
        "overdrawn",
        "under_make",
        "w11_six_processes_run_no_more_jobs_than_they_have_tokens::on_fibers",
        "more jobs than tokens",
    ),
    broken(
        "kept_token",
        "jobserver",
        "j2_all_tokens_come_back_however_a_run_ends::on_fibers",
        "end ",
    ),
    broken(
        "uncalled",
        "jobserver",
        "j3_who_holds_a_lock_goes_before_one_that_yields::on_fibers",
        HANGS,
    ),
    broken(
        "starved_want",
        "jobserver",
        "j3_new_jobs_have_their_turn_beside_begun_work::on_fibers",
        HANGS,
    ),
    broken(
        "silent_trouble",
        "under_make",
        "j4_what_is_no_jobserver_is_named_once::on_fibers",
        "no environment variable",
    ),
    broken(
        "kept_token",
        "under_make",
        "j5_tokens_come_back_by_pipe_and_by_fifo::on_fibers",
        "tokens in the pipe",
    ),
    broken(
        "kept_ready",
        "moving",
        "w9_a_ready_fiber_leaves_a_busy_worker::on_fibers",
        HANGS,
    ),
    broken(
        "kept_ready",
        "moving",
        "w9_all_that_are_ready_leave_a_busy_worker::on_threads",
        HANGS,
    ),
    broken(
        "unlimited_job",
        "overdue",
        "w9_a_job_that_joins_lets_a_ready_fiber_go_first::on_fibers",
        HANGS,
    ),
    broken(
        "unlimited_job",
        "overdue",
        "w9_a_fiber_that_was_woken_from_outside_goes_first::on_threads",
        HANGS,
    ),
    broken(
        "untold_share",
        "rwlocks",
        "w5_two_locks_crosswise_are_a_deadlock::on_fibers",
        HANGS,
    ),
    broken(
        "starved_level",
        "priorities",
        "w4_two_that_wake_each_other_do_not_starve_a_low_one::on_fibers",
        HANGS,
    ),
    broken(
        "foreign_job",
        "waiting",
        "w0_outer_half_does_not_run_on_the_waiting_stack::on_fibers",
        "there is no cycle",
    ),
    broken(
        "foreign_job",
        "waiting",
        "w1_stolen_self_wait::on_threads",
        HANGS,
    ),
    broken(
        "foreign_job",
        "waiting",
        "w2_crossed_stacks_are_no_cycle::under_seeds_on_fibers",
        HANGS,
    ),
    broken(
        "foreign_job",
        "waiting",
        "w6_asked_first_inside_a_loop_and_looping_itself::under_seeds_on_fibers",
        "there is no cycle",
    ),
    broken(
        "foreign_job",
        "graphs",
        "c6_random_graphs_without_cycles::under_seeds_on_fibers",
        "query cycle",
    ),
    broken(
        "kept_forks",
        "waiting",
        "w4_siblings_of_waiting_items_go_on::on_fibers",
        HANGS,
    ),
    broken(
        "kept_forks",
        "waiting",
        "w3_more_waiters_than_workers::on_threads",
        HANGS,
    ),
    broken(
        "starved_job",
        "yields",
        "w4_two_that_yield_do_not_starve_a_job::on_fibers",
        HANGS,
    ),
    broken(
        "no_refusal",
        "many",
        "w3_the_last_one_at_the_cap_is_refused::on_fibers",
        HANGS,
    ),
    broken(
        "no_refusal",
        "many",
        "f7_no_stack_beside_the_first::on_fibers",
        HANGS,
    ),
    broken(
        "unchecked_claim",
        "races",
        "w7_a_miss_that_is_overtaken_before_its_claim::on_threads",
        "assertion `left == right` failed",
    ),
    broken(
        "unchecked_listing",
        "races",
        "w8_completion_at_the_moment_of_listing::under_seeds_on_fibers",
        HANGS,
    ),
    broken(
        "unannounced_job",
        "outside",
        "w10_sixteen_threads_at_once::on_threads",
        HANGS,
    ),
    broken(
        "wrong_rotation",
        "cycles",
        "c1_entered_from_each_member_in_turn::on_fibers",
        "query cycle:",
    ),
    broken(
        "wrong_rotation",
        "forked_cycles",
        "c5_an_innocent_branch_ends_and_stays::on_threads",
        "query cycle:",
    ),
    broken(
        "uncalled_waiters",
        "cycles",
        "c2_found_beside_jobs_that_never_look_up::on_fibers",
        HANGS,
    ),
    broken(
        "uncalled_waiters",
        "cycles",
        "c3_many_disjoint_cycles_at_once::under_seeds_on_fibers",
        HANGS,
    ),
    broken(
        "unowned_task",
        "forked_cycles",
        "c8_two_tasks_that_wait_for_each_others_queries::under_seeds_on_fibers",
        HANGS,
    ),
    broken(
        "decided_one_by_one",
        "cycles",
        "c1_entered_from_each_member_at_once_by_tasks::under_seeds_on_fibers",
        "the ask of a member does not return",
    ),
    broken(
        "decided_one_by_one",
        "forked_cycles",
        "c10_in_no_order::under_seeds_on_fibers",
        "assertion",
    ),
    broken(
        "second_panic_first",
        "failures",
        "f1_join_propagates_the_left_panic::under_seeds_on_fibers",
        "assertion",
    ),
    broken(
        "nameless_failure",
        "failed_queries",
        "f2_a_hundred_waiters_of_a_panicking_provider::on_fibers",
        "assertion",
    ),
    broken(
        "forgotten_failure",
        "failed_queries",
        "f2_a_failed_task_that_nobody_asked_fails_the_run::on_threads",
        "a task failed",
    ),
    broken(
        "wait_while_unwinding",
        "hostile_asks",
        "f5_a_wait_in_a_destructor_during_an_unwind::on_fibers",
        HANGS,
    ),
    broken(
        "wait_while_unwinding",
        "hostile_forks",
        "x4_a_broadcast_in_a_destructor_lets_nobody_else_see_the_unwind::on_fibers",
        "assertion failed: !saw",
    ),
    broken(
        "silent_overflow",
        "overflow",
        "f6_an_overflow_names_its_query::on_fibers",
        "about to overflow",
    ),
    broken(
        "cancelled_is_kept",
        "cancel",
        "f3_what_a_provider_makes_of_it_is_not_remembered::on_fibers",
        "it was cancelled",
    ),
    broken(
        "unmarked_giver",
        "cancel",
        "f3_what_a_branch_makes_of_it_is_not_remembered::on_fibers",
        "it was cancelled",
    ),
    broken(
        "unmarked_part",
        "cancelled_parts",
        "f3_what_a_part_makes_of_it_is_not_remembered::on_fibers",
        "what it gives does not count",
    ),
    broken(
        "failure_of_a_part",
        "cancelled_parts",
        "f2_a_failed_task_of_a_part_fails_the_run_alone::on_fibers",
        "a task failed: ()",
    ),
    broken(
        "hasty_shutdown",
        "shutdown",
        "f4_who_refuses_to_end_is_left_behind::on_fibers",
        "runs that never return",
    ),
    broken(
        "nameless_ready",
        "waiters",
        "w5_the_watchdog_names_a_worker_in_a_foreign_lock::on_fibers",
        "panicked",
    ),
    broken(
        "lost_locals",
        "context",
        "x1_ten_thousand_tasks_keep_their_locals::on_fibers",
        "left: None",
    ),
    broken(
        "moved_fiber",
        "context",
        "x3_a_thread_bound_value_stays_on_its_thread::on_fibers",
        "ThreadId",
    ),
    broken(
        "unowned_run",
        "outside",
        "x5_a_cycle_through_a_run_of_another_executor::on_fibers",
        HANGS,
    ),
    broken(
        "unasked_recovery",
        "recovery",
        "c4_each_asker_gets_the_value_of_its_key::on_fibers",
        "query cycle",
    ),
    broken(
        "uncut_iteration",
        "fixpoints",
        "c7_a_plain_query_elsewhere_on_the_cycle::on_fibers",
        "a fixpoint: Error(query cycle: Far -> Near -> Far)",
    ),
    broken(
        "kept_results",
        "recovery",
        "c9_fixed_and_retried::on_fibers",
        "found once",
    ),
    broken(
        "lonely_iteration",
        "cancelled_fixpoints",
        "f3_what_a_member_makes_of_it_is_not_remembered::on_fibers",
        "it was cancelled: 3000",
    ),
    broken(
        "lonely_iteration",
        "cancelled_fixpoints",
        "f4_a_member_that_refuses_to_end_gives_the_gate_back::on_fibers",
        HANGS,
    ),
    broken(
        "no_segment",
        "depth",
        "d1_a_chain_of_queries::on_fibers",
        "stack overflow in query",
    ),
    broken(
        "lost_item",
        "graphs",
        "d3_fan_in_and_fan_out_of_ten_thousand::under_seeds_on_fibers",
        "assertion",
    ),
    broken(
        "lost_item",
        "loops",
        "s1_every_item_once::under_seeds_on_fibers",
        "assertion failed: done",
    ),
    broken(
        "unseen_deadlock",
        "locks",
        "w5_two_locks_crosswise_are_a_deadlock::on_fibers",
        HANGS,
    ),
    broken(
        "unseen_deadlock",
        "locks",
        "w5_a_lock_held_over_a_join_whose_half_wants_it::on_threads",
        HANGS,
    ),
    broken(
        "unseen_deadlock",
        "random_locks",
        "w5_random_jobs_that_keep_none_come_to_an_end::on_fibers",
        HANGS,
    ),
    broken(
        "one_holder",
        "limits",
        "w5_it_is_none_as_long_as_one_inside_can_go_on::on_fibers",
        "the second gets out",
    ),
    broken(
        "one_holder",
        "random_locks",
        "w5_random_jobs_that_keep_an_order_meet_no_deadlock::on_fibers",
        "left == right",
    ),
    broken(
        "kept_place",
        "limits",
        "w5_never_more_are_inside_than_there_are_places::on_fibers",
        "a job waits for the limit",
    ),
    broken(
        "unhooked",
        "hooks",
        "x1_ten_thousand_tasks_keep_their_thread_locals::on_fibers",
        HANGS,
    ),
    broken(
        "unhooked",
        "hooks",
        "x3_a_scoped_thread_local_is_right_with_hooks::on_fibers",
        "left == right",
    ),
    broken(
        "tireless",
        "duty",
        "w3_no_more_start_than_are_on_duty::on_fibers",
        "of 1",
    ),
    broken(
        "unhelped",
        "duty",
        "w3_those_off_duty_help_who_can_make_no_fiber::on_fibers",
        HANGS,
    ),
    broken(
        "duty_unasked",
        "duty",
        "w3_who_comes_back_finds_what_is_held::on_fibers",
        HANGS,
    ),
    broken(
        "called_waits",
        "hostile_locks",
        "w10_who_was_called_and_has_not_run_is_in_no_circle::on_fibers",
        HANGS,
    ),
    broken(
        "waiting_report",
        "hostile_locks",
        "w5_a_report_whose_words_want_a_lock::on_fibers",
        HANGS,
    ),
    broken(
        "untold_condvar",
        "hostile_locks",
        "f3_who_is_cancelled_lets_another_be_told::on_fibers",
        HANGS,
    ),
    broken(
        "uncounted_calls",
        "locks",
        "w5_nobody_is_passed_over_for_ever::on_fibers",
        HANGS,
    ),
    broken(
        "filled_again",
        "once_cells",
        "w6_a_cell_whose_initialiser_runs_a_parallel_loop::under_seeds_on_fibers",
        "made once",
    ),
    broken(
        "lost_permit",
        "once_cells",
        "w5_permits_are_never_more_than_there_are::on_fibers",
        HANGS,
    ),
    broken(
        "open_channel",
        "handing_over",
        "w5_a_pipeline_of_channels::on_fibers",
        HANGS,
    ),
    broken(
        "borrowed_over_a_wait",
        "worker_locals",
        "x2_a_wait_while_it_is_used_names_both_places::on_fibers",
        HANGS,
    ),
    broken(
        "young_last",
        "scope_order",
        "s2_children_depth_first::on_fibers",
        "assertion",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use regex::Regex;

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn text_of(path: &str) -> String {
        fs::read_to_string(root().join(path)).expect("it is there")
    }

    /// What the first group of `pattern` finds.
    fn all(pattern: &str, text: &str) -> BTreeSet<String> {
        let pattern = Regex::new(pattern).expect("a regex");
        let found = pattern.captures_iter(text);
        found.map(|found| found[1].to_owned()).collect()
    }

    /// All Rust source below `folder`.
    fn source(folder: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(folder).expect("it is a folder") {
            let path = entry.expect("can be listed").path();
            if path.is_dir() {
                text += &source(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(&path).expect("source is text");
            }
        }
        text
    }

    #[test]
    fn each_planted_bug_is_listed_and_described() {
        let planted = all(
            r#"plant::is\(\s*"(\w+)"\s*\)"#,
            &source(&root().join("executor/src")),
        );
        let listed: BTreeSet<String> = BROKEN.iter().map(|one| one.plant.to_owned()).collect();
        let described = all(
            r"(?m)^\| `(\w+)` \| .* \| .* \| .* \|$",
            &text_of("tests/PLANTS.md"),
        );
        let by_seeds: BTreeSet<String> = ["lost_wake", "late_publication", "resumed_on_its_stack"]
            .map(str::to_owned)
            .into();
        assert_eq!(&listed | &by_seeds, planted);
        assert_eq!(described, planted);
    }

    #[test]
    fn each_scenario_is_broken_by_a_plant() {
        let scenarios = all(
            r"(?m)^\| ([A-Z]\d+) \| `\w+` \|",
            &text_of("tests/README.md"),
        );
        assert!(scenarios.len() > 20, "{scenarios:?}");
        let id = |test: &str| test.split('_').next().unwrap_or_default().to_uppercase();
        let broken: BTreeSet<String> = BROKEN.iter().map(|one| id(one.test)).collect();
        assert_eq!(broken, scenarios);
    }

    #[test]
    fn each_broken_test_is_there() {
        for one in BROKEN {
            let (name, on) = one.test.split_once("::").expect("a scenario and a backend");
            let text = text_of(&format!("tests/tests/{}.rs", one.file));
            assert!(text.contains(&format!(": {name};")), "{}", one.test);
            let tests = [
                "on_fibers",
                "on_threads",
                "under_seeds_on_fibers",
                "sequentially",
            ];
            assert!(tests.contains(&on), "{}", one.test);
        }
    }
}
