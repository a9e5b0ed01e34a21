//! The bugs that can be planted in the loom models (`executor/tests/model/plant.rs`), and the
//! models that each must break: what shows that the models can fail.

use std::process::Output;

/// A planted bug.
pub(crate) struct Plant {
    /// What `DAGWOOD_PLANT` is set to for the build.
    pub(crate) name: &'static str,
    /// The models that must fail, each with `sign` in its message.
    pub(crate) tests: &'static [&'static str],
    sign: &'static str,
}

/// Loom's words for a touch that no order of events keeps apart from a write.
const RACE: &str = "Causality violation";

/// Loom's words for threads of which none can go on.
const HANG: &str = "deadlock; threads";

const fn plant(name: &'static str, sign: &'static str, tests: &'static [&'static str]) -> Plant {
    Plant { name, tests, sign }
}

/// All plants; after each the rule that it breaks.
pub(crate) const PLANTS: &[Plant] = &[
    // tokens.md N5: who grants a permit wakes nobody.
    plant(
        "tokens_untold",
        HANG,
        &["tokens::a_permit_given_back_reaches_who_wants_it"],
    ),
    // tokens.md N5: who is listed does not look once more.
    plant(
        "tokens_look",
        HANG,
        &["tokens::a_permit_given_back_reaches_who_wants_it"],
    ),
    // tokens.md N4: who is listed is still counted as a searcher.
    plant(
        "tokens_searcher",
        HANG,
        &["tokens::a_posted_job_is_taken_with_one_permit"],
    ),
    // attention.md A3: the owner looks before it lowers the word.
    plant(
        "attention_late",
        "nobody sees",
        &["attention::a_wish_is_served_or_stands"],
    ),
    // attention.md A4: a change of stacks stores the new limit.
    plant(
        "attention_limit",
        "nobody sees",
        &["attention::a_change_of_stacks_loses_no_wish"],
    ),
    // attention.md A6: a waker does not raise the word.
    plant(
        "attention_unrung",
        "nobody sees who is ready",
        &["attention::who_becomes_ready_is_seen_or_the_word_stands"],
    ),
    // wait.md W1: the close publishes nothing.
    plant(
        "wait_release",
        RACE,
        &["wait::each_waiter_of_a_list_is_woken_once_and_sees_the_value"],
    ),
    // wait.md W2: a waiter is listed without a compare.
    plant(
        "wait_lost",
        HANG,
        &["wait::a_woken_waiter_is_touched_no_more"],
    ),
    // wait.md W3: a waiter is woken twice.
    plant(
        "wait_twice",
        "woken once",
        &["wait::a_woken_waiter_is_touched_no_more"],
    ),
    // wait.md W8: a waiter does not take the owner along.
    plant(
        "wait_owner",
        "seen, owner",
        &["wait::whoever_looks_at_an_open_list_sees_its_owner"],
    ),
    // wait.md W8: those who wait already are not told of the owner.
    plant(
        "wait_untold",
        "slot.list.owner()",
        &["wait::the_owner_is_told_to_those_who_wait_already"],
    ),
    // wait.md W3, for a join's half: the thief looks at it after the close.
    plant(
        "join_touch",
        RACE,
        &[
            "join::the_frame_of_a_join_goes_after_the_close",
            "join::the_next_join_lies_in_the_same_frame",
        ],
    ),
    // moving.md M2: a waker does not ask whether the fiber has left its stack.
    plant(
        "stance_early",
        "before it has left its stack",
        &["stance::a_fiber_is_resumed_once_and_off_its_stack"],
    ),
    // moving.md M1: to leave publishes nothing.
    plant(
        "stance_release",
        RACE,
        &["stance::a_fiber_is_resumed_once_and_off_its_stack"],
    ),
    // moving.md M4: who looks at a wait does not hold the fiber.
    plant(
        "stance_unheld",
        RACE,
        &["stance::a_fiber_that_is_held_is_not_resumed"],
    ),
    // moving.md M5: a base does not read the note.
    plant(
        "stance_note",
        "nobody ends the wait",
        &["stance::a_reason_reaches_a_fiber_that_is_about_to_wait"],
    ),
    // moving.md M3: the bell is rung before there is something.
    plant("ready_bell", HANG, &["ready::a_bell_reaches_the_owner"]),
    // claim.md C4: a claim is a look and a store: two own it.
    plant(
        "claim_twice",
        RACE,
        &["claim::one_asker_computes_and_all_see_the_value"],
    ),
    // claim.md C1: an insertion publishes nothing.
    plant(
        "claim_release",
        RACE,
        &["claim::an_entry_is_inserted_once_while_the_table_grows"],
    ),
    // claim.md C2: a table grows without closing the gaps of its old array.
    plant(
        "claim_no_freeze",
        "assertion failed",
        &["claim::an_entry_is_inserted_once_while_the_table_grows"],
    ),
    // claim.md C2: a second inserter does not say so.
    plant(
        "claim_unsaid",
        "one winner",
        &["claim::a_second_inserter_is_seen_by_a_growth"],
    ),
    // latch.md L1: the flag publishes nothing.
    plant(
        "latch_release",
        RACE,
        &["latch::a_wait_ends_and_its_frame_goes"],
    ),
    // latch.md L1: the waiter does not look at what is published.
    plant(
        "latch_acquire",
        RACE,
        &["latch::a_wait_ends_and_its_frame_goes"],
    ),
    // latch.md L1: the unpark comes before the flag.
    plant(
        "latch_early_unpark",
        HANG,
        &["latch::a_wait_ends_and_its_frame_goes"],
    ),
    // latch.md L2: the waker looks at the latch after it has set the flag.
    plant(
        "latch_touch",
        RACE,
        &[
            "latch::a_wait_ends_and_its_frame_goes",
            "latch::an_outside_run_ends_and_its_frame_goes",
        ],
    ),
    // latch.md L3: any token ends the wait.
    plant(
        "latch_any_token",
        "left == right",
        &[
            "latch::a_latch_waits_again",
            "latch::a_token_without_the_flag_ends_no_wait",
        ],
    ),
    // lock.md K2: whoever gives a lock back publishes nothing.
    plant(
        "lock_release",
        RACE,
        &["lock::one_at_a_time_holds_the_lock"],
    ),
    // lock.md K3: a waiter does not say that somebody waits.
    plant(
        "lock_unqueued",
        HANG,
        &["lock::one_at_a_time_holds_the_lock"],
    ),
    // lock.md K5: the lock is kept for nobody.
    plant(
        "lock_unkept",
        "it is kept",
        &["lock::who_was_called_in_vain_is_the_next"],
    ),
    // lock.md K6: who was called and leaves keeps the call.
    plant(
        "lock_kept_call",
        HANG,
        &["lock::who_leaves_gives_the_call_on"],
    ),
    // lock.md K7: the flag of a once-cell publishes nothing.
    plant(
        "lock_unset",
        RACE,
        &["lock::a_cell_is_set_once_and_all_see_it"],
    ),
    // lock.md P1: a waiter for permits does not say that somebody waits.
    plant("permit_lost", HANG, &["lock::permits_are_handed_over"]),
    // lock.md P2: who hands permits over has not seen what others did who gave some back.
    plant(
        "permit_acquire",
        RACE,
        &["lock::who_is_called_comes_after_all_who_gave_back"],
    ),
    // idle.md I9: duty is changed, and nobody is told.
    plant(
        "idle_duty_untold",
        HANG,
        &[
            "idle::who_comes_on_duty_takes_the_job",
            "idle::who_goes_off_duty_hands_the_job_on",
        ],
    ),
    // idle.md I8: who is off duty sleeps without a look whether it still is.
    plant(
        "idle_duty_look",
        HANG,
        &["idle::who_comes_on_duty_takes_the_job"],
    ),
    // lock.md L2: who steps into the line goes in before it is called.
    plant("place_uncalled", RACE, &["places::places_are_given_on"]),
    // lock.md L3: who was called and leaves keeps the place.
    plant(
        "place_kept",
        "left == right",
        &["places::who_leaves_gives_the_place_on"],
    ),
    // wait.md W4: the inbox publishes nothing.
    plant(
        "ready_release",
        RACE,
        &["ready::a_fiber_reaches_its_sleepy_owner"],
    ),
    // wait.md W4: a fiber is put into the inbox without a compare.
    plant(
        "ready_lost",
        HANG,
        &["ready::two_fibers_reach_their_sleepy_owner"],
    ),
    // idle.md I1, I2, I4: no fences.
    plant(
        "idle_fence",
        HANG,
        &[
            "idle::a_job_posted_to_a_sleepy_worker_is_taken",
            "idle::a_stop_reaches_all_workers",
            "ready::a_fiber_reaches_its_sleepy_owner",
        ],
    ),
    // idle.md I2: no second look.
    plant(
        "idle_second_look",
        HANG,
        &["idle::a_job_posted_to_a_sleepy_worker_is_taken"],
    ),
    // idle.md I3: a wake is a look and a store.
    plant(
        "idle_wake_race",
        "left == right",
        &["idle::two_posters_wake_a_sleeper_once"],
    ),
    // idle.md I5: the last searcher does not look.
    plant(
        "idle_last_searcher",
        HANG,
        &[
            "idle::a_searcher_that_finds_a_fiber_hands_the_job_on",
            "idle::two_jobs_reach_two_workers",
        ],
    ),
    // idle.md I10: who is neglected wakes nobody.
    plant(
        "idle_neglect",
        HANG,
        &["idle::a_sleeper_takes_the_job_of_who_is_neglected"],
    ),
    // idle.md I12: who gets up does not put back from where it was kept off.
    plant(
        "idle_bed",
        "put back",
        &["idle::who_is_kept_off_is_put_back"],
    ),
    // idle.md I7: a worker blocks without a look at its inbox.
    plant(
        "idle_blocked_look",
        HANG,
        &["idle::a_blocked_worker_wakes_for_its_fiber_only"],
    ),
    // stand.md S2: a worker takes a fiber out of its inbox while it is counted.
    plant(
        "stand_take_first",
        "gave up while a fiber was ready",
        &["stand::a_worker_that_has_posted_a_fiber_is_not_the_last"],
    ),
    // cancel.md X2: a sweep says that it has left its queue after it has looked.
    plant(
        "sweep_late",
        "nobody ends the wait",
        &["sweep::a_sweep_sees_what_was_cancelled_before_it_was_posted"],
    ),
    // rest.md R3: who looks counts itself after it has read the word.
    plant(
        "rest_late",
        RACE,
        &["rest::frames_stand_still_while_somebody_looks"],
    ),
    // idle.md, stop: everybody is woken before the flag is set.
    plant("idle_stop", HANG, &["idle::a_stop_reaches_all_workers"]),
];

impl Plant {
    /// Checks that a run of exactly its tests failed as it must.
    ///
    /// # Errors
    ///
    /// What is wrong, with the run's output.
    pub(crate) fn judge(&self, run: &Output) -> Result<(), String> {
        let stdout = String::from_utf8_lossy(&run.stdout);
        let stderr = String::from_utf8_lossy(&run.stderr);
        let is_broken = |test: &&&str| stdout.contains(&format!("test {test} ... FAILED"));
        let whole = self.tests.iter().find(|test| !is_broken(test));
        let what = match whole {
            Some(test) => format!("the plant `{}` did not break {test}", self.name),
            None if stdout.matches(self.sign).count() < self.tests.len() => {
                format!(
                    "the plant `{}` broke something without `{}`",
                    self.name, self.sign
                )
            }
            None => return Ok(()),
        };
        Err(format!("{what}\n{stdout}{stderr}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::ExitStatus;

    use regex::Regex;

    use super::*;

    #[test]
    fn the_plants_are_those_of_the_models() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/tests/model");
        let name = Regex::new(
            r#""((?:attention|claim|idle|join|latch|lock|permit|place|ready|rest|stance|stand|sweep|tokens|wait)_\w+)""#,
        )
        .expect("a regex");
        let mut planted = BTreeSet::new();
        for file in std::fs::read_dir(folder).expect("the models are there") {
            let path = file.expect("can be listed").path();
            let text = std::fs::read_to_string(path).expect("source is text");
            planted.extend(name.captures_iter(&text).map(|name| name[1].to_owned()));
        }
        let listed: BTreeSet<String> = PLANTS.iter().map(|plant| plant.name.to_owned()).collect();
        assert_eq!(listed, planted);
        assert_eq!(listed.len(), PLANTS.len(), "no plant is listed twice");
        assert!(PLANTS.iter().all(|plant| !plant.tests.is_empty()));
    }

    fn ran(stdout: &str) -> Output {
        Output {
            status: ExitStatus::default(),
            stdout: stdout.into(),
            stderr: b"error: could not compile".into(),
        }
    }

    #[test]
    fn only_the_named_failures_count() {
        let sample = plant("sample", HANG, &["a::b", "a::c"]);
        for pale in [
            "",
            "test a::b ... ok\ntest a::c ... ok",
            "running 0 tests",
            "test a::b ... FAILED\ntest a::c ... ok\ndeadlock; threads\ndeadlock; threads",
            "test a::b ... FAILED\ntest a::c ... FAILED\ndeadlock; threads",
        ] {
            assert!(sample.judge(&ran(pale)).is_err(), "{pale}");
        }
        let broken =
            "test a::b ... FAILED\ntest a::c ... FAILED\ndeadlock; threads\ndeadlock; threads";
        assert_eq!(sample.judge(&ran(broken)), Ok(()));
    }
}
