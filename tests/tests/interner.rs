//! Interners: one number for one value, from whatever thread; F5: a value whose code panics.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use dagwood::{Database, Id, Interner};
use dagwood_tests::{Bed, fail_quietly, scenarios};

scenarios! {
    shared [1, 2, 4]: numbers_given_to_all_workers_at_once;
}

/// Each worker interns all texts, each from another place on. All get the same numbers, which are those below the count.
fn numbers_given_to_all_workers_at_once(bed: &Bed) {
    let interner = Interner::<String>::new();
    let texts: Vec<String> = (0..5000).map(|i| format!("text {i}")).collect();
    let executor = bed.executor();
    let workers = executor.workers();
    let given = executor.run(&Database::new(()), |cx| {
        cx.broadcast(|_, worker| {
            let first = worker * texts.len() / workers;
            let mut ids: Vec<(usize, Id<String>)> = (0..texts.len())
                .map(|step| (first + step) % texts.len())
                .map(|i| (i, interner.intern(texts[i].as_str())))
                .collect();
            ids.sort_by_key(|(i, _)| *i);
            ids.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
        })
    });
    let given = given.expect("no failure");
    assert!(given.iter().all(|ids| *ids == given[0]));
    let numbers: HashSet<usize> = given[0].iter().map(|id| id.index()).collect();
    assert_eq!(numbers, (0..texts.len()).collect());
    assert_eq!(interner.len(), texts.len());
    for (text, id) in texts.iter().zip(&given[0]) {
        assert_eq!(interner.value(*id), text);
        assert_eq!(interner.find(text.as_str()), Some(*id));
    }
    assert_eq!(interner.find("another"), None);
}

/// A value whose `Eq` panics when told to. All have one hash.
#[derive(Clone, Debug)]
struct Touchy(u32);

static IS_ARMED: AtomicBool = AtomicBool::new(false);

impl std::hash::Hash for Touchy {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u8(0);
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        if IS_ARMED.load(Ordering::SeqCst) {
            fail_quietly("Eq fails");
        }
        self.0 == other.0
    }
}

impl Eq for Touchy {}

#[test]
fn f5_a_value_whose_eq_panics() {
    let interner = Interner::new();
    let ids: Vec<Id<Touchy>> = (0..100).map(|i| interner.intern_owned(Touchy(i))).collect();
    IS_ARMED.store(true, Ordering::SeqCst);
    let caught = catch_unwind(AssertUnwindSafe(|| interner.intern_owned(Touchy(200))));
    assert!(caught.is_err());
    IS_ARMED.store(false, Ordering::SeqCst);
    assert_eq!(interner.len(), 100);
    let again: Vec<Id<Touchy>> = (0..100).map(|i| interner.intern_owned(Touchy(i))).collect();
    assert_eq!(again, ids);
    assert_eq!(
        format!("{:?} {:?}", ids[7], interner.debug(ids[7])),
        "#7 Touchy(7)"
    );
}
