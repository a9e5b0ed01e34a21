//! Records: what queries asked, in program order, with the branches of joins and loops kept
//! (series-parallel).
//!
//! Who asks in a database that records has a [`Recorder`], reached by its `Cx`; what a branch asks
//! elsewhere is put in by who forked, in the order of the program. Used by `ask.rs` (and by joins,
//! loops and scopes, who tell of branches); read in `record/steps.rs`. Knows no type of query.

mod steps;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

pub use self::steps::{Asked, Step, Steps};
use super::table::Head;

/// An ask, a mark, or a wait for a task.
#[derive(Copy, Clone)]
pub(crate) struct Entry {
    /// The table of what was asked for; null for a mark and for a task.
    table: *const Head,
    /// The slot of what was asked for; or [`FORK`], [`NEXT`] or [`JOIN`]; or the record of a task,
    /// which who has the entry keeps alive.
    slot: *const (),
}

/// What was taken down: entries, and the records of tasks that they name.
#[derive(Default)]
pub(crate) struct Notes {
    entries: Vec<Entry>,
    tasks: Vec<Arc<Record>>,
}

/// What branches of a fork asked for, if the fork is recorded.
pub(crate) type Branches = Option<Notes>;

/// Branches begin.
const FORK: Entry = Entry::mark(0);

/// A branch has ended, and another begins.
const NEXT: Entry = Entry::mark(1);

/// The last branch has ended.
const JOIN: Entry = Entry::mark(2);

// SAFETY: tables and slots live as long as their database, as records do, and are `Sync`.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    const fn mark(number: usize) -> Self {
        Entry {
            table: std::ptr::null(),
            slot: std::ptr::without_provenance(number),
        }
    }

    fn is(&self, mark: Entry) -> bool {
        self.table.is_null() && self.slot == mark.slot
    }

    fn is_mark(&self) -> bool {
        self.table.is_null() && self.slot.addr() <= JOIN.slot.addr()
    }

    /// The record of the task that was waited for, if it is no ask and no mark.
    fn task(&self) -> Option<*const Record> {
        (self.table.is_null() && !self.is_mark()).then(|| self.slot.cast())
    }
}

/// What the provider of one query, or a task, asked for. Aligned, so that a pointer to it has a bit
/// to spare, and is no mark.
///
/// A place for what reuse needs to know of a result, too: when it was verified, and when it
/// changed.
#[repr(align(8))]
pub(crate) struct Record {
    entries: Box<[Entry]>,
    /// Those that entries name.
    tasks: Vec<Arc<Record>>,
}

impl Record {
    /// The memory it takes, in bytes, without that of the tasks, which others may share.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.entries)
            + self.tasks.capacity() * size_of::<Arc<Record>>()
    }
}

impl Drop for Record {
    /// Without recursion: tasks that wait for tasks may be a long chain.
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.tasks);
        while let Some(task) = open.pop() {
            if let Some(mut last) = Arc::into_inner(task) {
                open.append(&mut last.tasks);
            }
        }
    }
}

/// So many entries are taken down without a look for those that are there.
const FEW: usize = 32;

/// Takes down what one provider, or a branch of it, asks for. Used on one fiber.
pub(crate) struct Recorder {
    log: RefCell<Log>,
    /// How many forks are open.
    depth: Cell<usize>,
}

/// What is being taken down.
struct Log {
    entries: Vec<Entry>,
    tasks: Vec<Arc<Record>>,
    /// The slots and tasks in `entries`, once there are many: an open hash table, at most half of
    /// it filled.
    known: Vec<*const ()>,
    known_len: usize,
}

impl Log {
    /// Whether it was not there, as far as is known.
    #[inline]
    fn ask(&mut self, entry: Entry) -> bool {
        let is_new = self.entries.len() < FEW || self.is_new(entry.slot);
        if is_new {
            self.entries.push(entry);
        }
        is_new
    }

    #[inline]
    fn is_new(&mut self, slot: *const ()) -> bool {
        if self.known_len * 2 >= self.known.len() {
            self.grow_known();
        }
        let is_new = put(&mut self.known, slot);
        self.known_len += usize::from(is_new);
        is_new
    }

    #[cold]
    fn grow_known(&mut self) {
        let len = (4 * self.entries.len())
            .next_power_of_two()
            .max(2 * self.known.len());
        let mut known = vec![std::ptr::null(); len];
        let slots = self.entries.iter().filter(|entry| !entry.is_mark());
        self.known_len = slots.filter(|entry| put(&mut known, entry.slot)).count();
        self.known = known;
    }
}

/// Puts a slot into an open hash table that has a gap; whether it was not there.
#[inline]
fn put(known: &mut [*const ()], slot: *const ()) -> bool {
    let mask = known.len() - 1;
    // Slots are words apart; the product's upper half is well mixed.
    let mut index = (slot.addr().wrapping_mul(0x9E37_79B9) >> 16) & mask;
    loop {
        if known[index] == slot {
            return false;
        }
        if known[index].is_null() {
            known[index] = slot;
            return true;
        }
        index = (index + 1) & mask;
    }
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Recorder {
            log: RefCell::new(Log {
                entries: Vec::new(),
                tasks: Vec::new(),
                known: Vec::new(),
                known_len: 0,
            }),
            depth: Cell::new(0),
        }
    }

    /// Takes down an ask. One for what was asked for before need not be: only the first one counts.
    #[inline]
    pub(crate) fn ask(&self, table: *const Head, slot: *const ()) {
        self.log.borrow_mut().ask(Entry { table, slot });
    }

    /// Branches begin; gives the level that [`next`](Self::next) and [`join`](Self::join) are told.
    /// (Level zero is that of a fork of which some branches only are recorded here.)
    #[cold]
    #[inline(never)]
    pub(crate) fn fork(&self) -> usize {
        self.log.borrow_mut().entries.push(FORK);
        self.depth.set(self.depth.get() + 1);
        self.depth.get()
    }

    /// A branch of the fork with this level has ended, and another begins. One that asked for
    /// nothing leaves no trace.
    #[cold]
    #[inline(never)]
    pub(crate) fn next(&self, level: usize) {
        self.close_above(level);
        let entries = &mut self.log.borrow_mut().entries;
        if entries
            .last()
            .is_some_and(|last| !last.is(FORK) && !last.is(NEXT))
        {
            entries.push(NEXT);
        }
    }

    /// The last branch has ended.
    #[cold]
    #[inline(never)]
    pub(crate) fn join(&self, level: usize) {
        self.close_above(level);
        self.depth.set(level - 1);
        let entries = &mut self.log.borrow_mut().entries;
        entries.pop_if(|last| last.is(NEXT));
        if entries.pop_if(|last| last.is(FORK)).is_none() {
            entries.push(JOIN);
        }
    }

    /// Ends the forks inside a branch that a panic has left.
    fn close_above(&self, level: usize) {
        while self.depth.get() > level {
            self.join(self.depth.get());
        }
    }

    /// Takes down what the next branches of the fork with this level asked for elsewhere.
    #[cold]
    #[inline(never)]
    pub(crate) fn append(&self, level: usize, branches: Notes) {
        self.next(level);
        let mut log = self.log.borrow_mut();
        log.entries.extend(branches.entries);
        log.tasks.extend(branches.tasks);
    }

    /// Takes down the wait for a task that asked for this: as if it had been asked for here.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait(&self, task: Arc<Record>) {
        let mut log = self.log.borrow_mut();
        let entry = Entry {
            table: std::ptr::null(),
            slot: Arc::as_ptr(&task).cast(),
        };
        if log.ask(entry) {
            log.tasks.push(task);
        }
    }

    /// What was taken down.
    pub(crate) fn into_notes(self) -> Notes {
        self.close_above(0);
        let Log {
            mut entries, tasks, ..
        } = self.log.into_inner();
        entries.pop_if(|last| last.is(NEXT));
        Notes { entries, tasks }
    }

    /// The record, if anything was asked for.
    pub(crate) fn finish(self) -> Option<Box<Record>> {
        self.into_notes().into_record().map(Box::new)
    }
}

impl Notes {
    /// The record, if anything was asked for.
    pub(crate) fn into_record(self) -> Option<Record> {
        let Notes { entries, tasks } = self;
        (!entries.is_empty()).then(|| Record {
            entries: entries.into_boxed_slice(),
            tasks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(entries: &[Entry]) -> String {
        let letter = |entry: &Entry| match entry {
            _ if entry.is(FORK) => '{',
            _ if entry.is(NEXT) => '|',
            _ if entry.is(JOIN) => '}',
            ask => char::from_u32(ask.slot.addr() as u32).expect("a letter"),
        };
        entries.iter().map(letter).collect()
    }

    fn ask(recorder: &Recorder, letter: char) {
        let table = std::ptr::without_provenance(8);
        recorder.ask(table, std::ptr::without_provenance(letter as usize));
    }

    #[test]
    fn branches_that_ask_for_nothing_leave_no_trace() {
        let recorder = Recorder::new();
        let outer = recorder.fork();
        recorder.next(outer);
        let inner = recorder.fork();
        recorder.next(inner);
        recorder.join(inner);
        recorder.next(outer);
        ask(&recorder, 'a');
        recorder.next(outer);
        recorder.next(outer);
        recorder.join(outer);
        ask(&recorder, 'b');
        assert_eq!(text(&recorder.into_notes().entries), "{a}b");
    }

    #[test]
    fn a_branch_that_panics_ends_what_it_began() {
        let recorder = Recorder::new();
        let outer = recorder.fork();
        ask(&recorder, 'a');
        recorder.fork();
        ask(&recorder, 'b');
        let elsewhere = Recorder::new();
        ask(&elsewhere, 'c');
        recorder.append(outer, elsewhere.into_notes());
        recorder.fork();
        ask(&recorder, 'd');
        assert_eq!(text(&recorder.into_notes().entries), "{a{b}|c{d}}");
    }
}
