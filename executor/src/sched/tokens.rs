#![doc = include_str!("tokens.md")]
//!
//! Used by the pools' workers, through `pool/permit.rs`. Knows of a pool what [`Workers`] says, and nothing of pipes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::token_source::{TokenSource, warn};
use crate::plant;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How long who has begun work itself goes on when others with begun work want its permit (N6).
const TURN: Duration = Duration::from_millis(1);

/// How long nobody asks a source that had nothing, at first, and at most: twice as long each time (N9).
const ASK: Duration = Duration::from_millis(1);
const ASK_AT_MOST: Duration = Duration::from_millis(32);

/// The workers of one executor, as those who share permits see them. Called under the lock.
pub(crate) trait Workers: Send + Sync {
    /// `worker` has a permit now, and is told (N5).
    fn grant(&self, worker: usize);

    /// `worker` gets none, and is told (N5).
    fn refuse(&self, worker: usize);

    /// Whether `worker` has one.
    fn has_permit(&self, worker: usize) -> bool;

    /// Whether there is a job that `worker` may start.
    fn has_work_for(&self, worker: usize) -> bool;

    /// Those that run are to look whether to pass their permits on (N6).
    fn call(&self);
}

/// What became of a worker's permit when it was called.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Keeps,
    /// Somebody wants it, but not yet.
    Soon,
    /// It is another's now, and the worker is listed.
    Passed,
}

/// How many tokens went to and fro.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) asked: u64,
    pub(crate) taken: u64,
    pub(crate) given_back: u64,
}

/// The permits of those who share a source.
pub(crate) struct Tokens {
    state: Mutex<State>,
    /// The keeper waits for it.
    pub(super) changed: Condvar,
}

pub(super) struct State {
    source: Box<dyn TokenSource>,
    /// How long spare tokens are kept; zero: not at all, and nobody asks the source again later.
    pub(super) keep: Duration,
    /// No more than so many permits, whatever the source gives.
    limit: usize,
    /// Tokens that were taken and not given back.
    extra: usize,
    /// Permits in use.
    running: usize,
    members: Vec<Member>,
    pub(super) wants: VecDeque<Want>,
    pub(super) traffic: Traffic,
    /// When the source is worth being asked again.
    pub(super) ask_again: Option<Instant>,
    /// How long it is not, once it has nothing again.
    pub(super) pause: Duration,
    /// The fewest spare tokens of this period (N8).
    pub(super) spare_least: usize,
    pub(super) keeper_rests: bool,
    /// The source is not asked any more.
    is_closed: bool,
    /// Why it gives nothing any more, until that is said.
    trouble: Option<String>,
    pub(super) is_over: bool,
}

/// An executor.
struct Member {
    id: usize,
    workers: Arc<dyn Workers>,
    running: usize,
}

/// A worker that is listed.
pub(super) struct Want {
    id: usize,
    worker: usize,
    is_begun: bool,
    since: Instant,
}

impl Want {
    fn is_of(&self, id: usize, worker: usize) -> bool {
        self.id == id && self.worker == worker
    }
}

impl Tokens {
    pub(crate) fn new(source: Box<dyn TokenSource>, limit: usize, keep: Duration) -> Self {
        let state = State {
            source,
            keep,
            limit,
            extra: 0,
            running: 0,
            members: Vec::new(),
            wants: VecDeque::new(),
            traffic: Traffic::default(),
            ask_again: None,
            pause: ASK,
            spare_least: 0,
            keeper_rests: false,
            is_closed: false,
            trouble: None,
            is_over: false,
        };
        Tokens {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Ends an access: the keeper is told if there is something for it again.
    pub(super) fn done(&self, mut state: MutexGuard<'_, State>) {
        state.give_spare();
        if state.keeper_rests && state.has_work_for_keeper() {
            state.keeper_rests = false;
            self.changed.notify_one();
        }
        let trouble = state.trouble.take();
        drop(state);
        if let Some(cause) = trouble {
            warn(&cause, "this process goes on with the tokens that it has");
        }
    }

    /// Another executor shares the permits, from now until it [leaves](Self::leave).
    pub(crate) fn join(&self, id: usize, workers: Arc<dyn Workers>) {
        self.lock().members.push(Member {
            id,
            workers,
            running: 0,
        });
    }

    /// An executor has ended: its permits are others' now.
    pub(crate) fn leave(&self, id: usize) {
        let mut state = self.lock();
        state.wants.retain(|want| want.id != id);
        let place = state.members.iter().position(|member| member.id == id);
        let member = place.map(|place| state.members.swap_remove(place));
        state.running -= member.as_ref().map_or(0, |member| member.running);
        state.settle(false);
        self.done(state);
        // Not under the lock: it may be the last hold of the pool.
        drop(member);
    }

    /// A permit for `worker`, which is not listed, if one is free or the source gives a token.
    pub(crate) fn try_start(&self, id: usize, worker: usize) -> bool {
        let mut state = self.lock();
        // Else it might be granted a second one.
        debug_assert!(!state.wants.iter().any(|want| want.is_of(id, worker)));
        let is_there = state.has_room() && state.start(id);
        state.settle(false);
        if is_there {
            // It may have got what others wait for, and heard no call since.
            state.call_if_urgent();
        }
        self.done(state);
        is_there
    }

    /// The same; if there is none, it is listed, and is [granted](Workers::grant) one later, or refused.
    pub(crate) fn want(&self, id: usize, worker: usize, is_begun: bool) -> bool {
        let mut state = self.lock();
        let is_there = state.want(id, worker, is_begun);
        self.done(state);
        is_there
    }

    /// `worker`, if it is listed, is not any more.
    pub(crate) fn unlist(&self, id: usize, worker: usize) {
        let mut state = self.lock();
        state.wants.retain(|want| !want.is_of(id, worker));
        self.done(state);
    }

    /// A worker blocks (N1).
    pub(crate) fn give_back(&self, id: usize) {
        let mut state = self.lock();
        state.stop(id);
        state.settle(false);
        state.look_after(id);
        self.done(state);
    }

    /// `worker` was called, and looks (N6). `turn`: how long it has its permit, if that matters.
    pub(crate) fn heed(
        &self,
        id: usize,
        worker: usize,
        has_begun: bool,
        turn: Option<Duration>,
    ) -> Called {
        let mut state = self.lock();
        let called = state.heed(id, worker, has_begun, turn);
        self.done(state);
        called
    }

    /// The source may have more now.
    pub(crate) fn refresh(&self) {
        let mut state = self.lock();
        state.ask_again = None;
        state.settle(true);
        self.done(state);
    }

    /// No more than so many permits from now on.
    pub(crate) fn set_limit(&self, limit: usize) {
        let mut state = self.lock();
        state.limit = limit;
        state.settle(true);
        state.call_if_too_many();
        self.done(state);
    }

    /// Gives all tokens back at once, whoever runs, and takes none any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        while state.extra > 0 {
            state.give_one();
        }
        state.call_if_too_many();
        self.done(state);
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.lock().traffic
    }

    /// How many permits are in use.
    pub(crate) fn running(&self) -> usize {
        self.lock().running
    }
}

impl State {
    fn capacity(&self) -> usize {
        (1 + self.extra).min(self.limit)
    }

    /// Whether one more may run; asks the source, if need be.
    fn has_room(&mut self) -> bool {
        self.running < self.capacity() || self.takes_token() || plant::is("overdrawn")
    }

    /// Whether a token more would be of use, and the source may have one some time.
    fn may_ask(&self) -> bool {
        !self.is_closed && 1 + self.extra < self.limit
    }

    fn takes_token(&mut self) -> bool {
        if !self.may_ask() {
            return false;
        }
        if self.ask_again.is_some_and(|again| Instant::now() < again) {
            return false;
        }
        self.traffic.asked += 1;
        let taken = self.source.take();
        let is_taken = taken.unwrap_or_else(|cause| {
            self.is_closed = true;
            self.trouble = Some(cause);
            false
        });
        if is_taken {
            self.extra += 1;
            self.traffic.taken += 1;
            (self.ask_again, self.pause) = (None, ASK);
        } else if !self.keep.is_zero() {
            self.ask_again = Some(Instant::now() + self.pause);
            self.pause = (2 * self.pause).min(ASK_AT_MOST);
        }
        is_taken
    }

    pub(super) fn give_one(&mut self) {
        self.extra -= 1;
        self.traffic.given_back += 1;
        if !plant::is("kept_token") {
            self.source.give_back();
        }
    }

    /// How many tokens nobody needs now: the implicit one is not among them (N2).
    pub(super) fn spare(&self) -> usize {
        (1 + self.extra).saturating_sub(self.running.max(1))
    }

    /// Gives back what is not worth being kept (N8).
    fn give_spare(&mut self) {
        let is_kept = !self.keep.is_zero() && !self.members.is_empty() && !self.is_closed;
        let kept = if is_kept { self.spare() } else { 0 };
        let beyond = (1 + self.extra).saturating_sub(self.limit);
        let spare = self.spare();
        for _ in 0..(spare - kept).max(beyond.min(spare)) {
            self.give_one();
        }
        self.spare_least = self.spare_least.min(self.spare());
    }

    /// Whether the source is to be asked again for those who are listed.
    pub(super) fn lacks_token(&self) -> bool {
        !self.wants.is_empty() && self.may_ask()
    }

    pub(super) fn has_work_for_keeper(&self) -> bool {
        self.is_over || self.lacks_token() || self.spare() > 0
    }

    fn member(&mut self, id: usize) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// Another worker of this executor runs. `false`: the executor has left.
    fn start(&mut self, id: usize) -> bool {
        let Some(member) = self.member(id) else {
            return false;
        };
        member.running += 1;
        self.running += 1;
        self.spare_least = self.spare_least.min(self.spare());
        true
    }

    /// One less.
    fn stop(&mut self, id: usize) {
        if let Some(member) = self.member(id) {
            member.running -= 1;
            self.running -= 1;
        }
        if self.running == 0 && plant::is("implicit_token") {
            self.traffic.given_back += 1;
            self.source.give_back();
        }
    }

    fn want(&mut self, id: usize, worker: usize, is_begun: bool) -> bool {
        let Some(member) = self.member(id) else {
            return false;
        };
        if member.workers.has_permit(worker) {
            return true;
        }
        let listed = &mut self.wants.iter_mut();
        if let Some(want) = listed.find(|want| want.is_of(id, worker)) {
            want.is_begun |= is_begun;
        } else if self.has_room() {
            let is_there = self.start(id);
            self.settle(false);
            self.call_if_urgent();
            return is_there;
        } else {
            self.list(id, worker, is_begun);
            // The job that it wants may be gone by now, and with it the last that ran.
            self.look_after(id);
        }
        self.call_if_urgent();
        false
    }

    fn list(&mut self, id: usize, worker: usize, is_begun: bool) {
        let since = Instant::now();
        self.wants.push_back(Want {
            id,
            worker,
            is_begun,
            since,
        });
    }

    /// Serves those that are listed, as long as there are permits, of the source's too if it `asks` (N3).
    pub(super) fn settle(&mut self, asks: bool) {
        if self.serve(asks) {
            // Who is served may have answered the last call without a permit.
            self.call_if_urgent();
        }
    }

    /// Whether anybody got one.
    fn serve(&mut self, asks: bool) -> bool {
        let mut is_any_started = false;
        while !self.wants.is_empty() {
            if asks {
                // So that no token is taken for them.
                self.refuse_those_without_work();
            }
            let has_permit = self.running < self.capacity();
            let asks = asks && !self.wants.is_empty();
            if !(has_permit || asks && self.takes_token()) {
                break;
            }
            let next = self.urgent(None).unwrap_or(0);
            let Some(want) = self.wants.remove(next) else {
                break;
            };
            let is_wanted = self.has_work(&want);
            let worker = want.worker;
            let is_started = is_wanted && self.start(want.id);
            let Some(member) = self.member(want.id) else {
                continue;
            };
            if is_started {
                member.workers.grant(worker);
            } else {
                member.workers.refuse(worker);
            }
            is_any_started |= is_started;
        }
        is_any_started
    }

    fn has_work(&self, want: &Want) -> bool {
        want.is_begun || self.has_work_at(want.id, want.worker)
    }

    fn has_work_at(&self, id: usize, worker: usize) -> bool {
        let members = &mut self.members.iter();
        let member = members.find(|member| member.id == id);
        member.is_some_and(|member| member.workers.has_work_for(worker))
    }

    /// A worker of this executor has stopped. If it was the last that ran, who is listed there is either called for, or can be
    /// woken for what comes (N6).
    fn look_after(&mut self, id: usize) {
        let is_still = self.member(id).is_some_and(|member| member.running == 0);
        if is_still && self.wants.iter().any(|want| want.id == id) {
            self.refuse_those_without_work();
            self.call_if_urgent();
        }
    }

    fn refuse_those_without_work(&mut self) {
        for place in (0..self.wants.len()).rev() {
            if !self.has_work(&self.wants[place]) {
                let want = self.wants.remove(place).expect("it is there");
                if let Some(member) = self.member(want.id) {
                    member.workers.refuse(want.worker);
                }
            }
        }
    }

    /// Who is served first of those that are listed and for whom those who run are called (N6), but for who asks itself.
    fn urgent(&self, asker: Option<usize>) -> Option<usize> {
        let is_starved = |want: &Want| asker != Some(want.id) && self.is_starved(want);
        let begun = self.wants.iter().position(|want| want.is_begun);
        let starved = self.wants.iter().position(is_starved);
        match (begun, starved) {
            // After a turn it is as good as begun: else others that take turns might do so for ever.
            (Some(begun), Some(starved))
                if starved < begun
                    && self.wants[starved].since.elapsed() >= TURN
                    && !plant::is("starved_want") =>
            {
                Some(starved)
            }
            _ => begun.or(starved),
        }
    }

    /// Whether it is the want of an executor that goes on for no other reason, and has a job. So where there is but one
    /// executor, no clock decides who is the first.
    fn is_starved(&self, want: &Want) -> bool {
        let members = &mut self.members.iter();
        let is_still = members.any(|member| member.id == want.id && member.running == 0);
        let is_begun = |other: &Want| other.id == want.id && other.is_begun;
        is_still && !self.wants.iter().any(is_begun) && self.has_work(want)
    }

    /// How long it is until the source may be asked again.
    pub(super) fn until_asked(&self) -> Duration {
        let until = |again: Instant| again.saturating_duration_since(Instant::now());
        self.ask_again.map_or(ASK, until).max(ASK)
    }

    fn call_if_urgent(&self) {
        if self.urgent(None).is_some() && !plant::is("uncalled") {
            self.call_all();
        }
    }

    fn call_if_too_many(&self) {
        if self.running > self.capacity() {
            self.call_all();
        }
    }

    fn call_all(&self) {
        self.members.iter().for_each(|member| member.workers.call());
    }

    fn heed(
        &mut self,
        id: usize,
        worker: usize,
        has_begun: bool,
        turn: Option<Duration>,
    ) -> Called {
        if self.running > self.capacity() {
            self.stop(id);
        } else {
            let Some(place) = self.urgent(Some(id)) else {
                return Called::Keeps;
            };
            let want = &self.wants[place];
            // Who has nothing to do would look again and again, and then sleep.
            let is_idle = || !self.has_work_at(id, worker);
            let is_at_once = !has_begun && (want.is_begun || is_idle());
            let is_early = |turn: Duration| turn.min(want.since.elapsed()) < TURN;
            if !is_at_once && turn.is_some_and(is_early) {
                return Called::Soon;
            }
            let want = self.wants.remove(place).expect("it is there");
            self.stop(id);
            self.start(want.id);
            let member = self.member(want.id).expect("who is listed is a member's");
            member.workers.grant(want.worker);
        }
        self.list(id, worker, has_begun);
        self.look_after(id);
        self.call_if_urgent();
        Called::Passed
    }
}
