//! S1 and D3 for loops: every item is done once, results are in order and the same at any width, whatever the source says.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use dagwood::{Cx, Database, Enumerate, Indexed};
use dagwood_tests::{Bed, Random, scaled, scenarios};

scenarios! {
    all [1, 2, 3, 8]: s1_results_in_order;
    all [1, 2, 3, 8]: s1_every_item_once;
    all [1, 2, 3, 8]: s1_nested_loops;
    all [1, 2]: s1_ranges_of_every_type;
    all [1, 2, 3, 8]: s1_reductions_of_floats;
    all [1, 2, 8]: s1_sources_whose_length_changes;
    all [1, 2, 8]: s1_chunks_of_any_length;
    all [1, 2]: chunks_of_more_items_than_memory_holds;
    all [1, 2]: chunks_of_nothing_are_refused;
}

const LENGTHS: [usize; 8] = [0, 1, 2, 3, 1000, 1025, 2049, scaled(100_030)];

/// Under seeds each item is a turn.
fn lengths(bed: &Bed) -> Vec<usize> {
    bed.cases(LENGTHS.map(|len| bed.at_most_seeded(300, len)))
}

fn s1_results_in_order(bed: &Bed) {
    let executor = bed.executor();
    for len in lengths(bed) {
        let words: Vec<String> = (0..len).map(|i| i.to_string()).collect();
        let run = executor.run(&Database::new(()), |cx| {
            let indices = cx.par_map(0..len, |_, i| i);
            let copies = cx.par_map(&words, |_, word| word.clone());
            let pairs = cx.par_map(Enumerate(&words[..]), |_, (i, word)| (i, word.len()));
            // Results of no size, and none.
            assert_eq!(cx.par_map(0..len, |_, _| ()).len(), len);
            (indices, copies, pairs)
        });
        let (indices, copies, pairs) = run.expect("nothing fails");
        assert_eq!(indices, Vec::from_iter(0..len));
        assert_eq!(copies, words);
        let expected: Vec<_> = words.iter().map(String::len).enumerate().collect();
        assert_eq!(pairs, expected);
    }
}

fn s1_every_item_once(bed: &Bed) {
    let executor = bed.executor();
    for len in lengths(bed) {
        let done: Vec<AtomicU8> = (0..len).map(|_| AtomicU8::new(0)).collect();
        let run = executor.run(&Database::new(()), |cx| {
            // Of items that take long here and there, more is given away.
            cx.par_for_each(&done, |cx, item| {
                let before = item.fetch_add(1, Ordering::Relaxed);
                if len < 5000 && before == 0 {
                    cx.par_for_each(0..3_u8, |_, _| ());
                }
            });
        });
        run.expect("nothing fails");
        assert!(done.iter().all(|item| item.load(Ordering::SeqCst) == 1));
    }
}

fn s1_nested_loops(bed: &Bed) {
    let executor = bed.executor();
    let (many, some, few) = if bed.is_seeded() {
        (100, 5, 3)
    } else {
        (1500, 40, 30)
    };
    let shapes = [
        (3, 5, 7),
        (1, many, few),
        (many, 1, few),
        (some, some, some),
    ];
    for (outer, middle, inner) in bed.cases(shapes) {
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_map(0..outer, |cx, i| {
                cx.par_map(0..middle, |cx, j| {
                    cx.par_map(0..inner, |_, k| (i * middle + j) * inner + k)
                })
            })
        });
        let run = run.expect("nothing fails");
        let all: Vec<usize> = run.into_iter().flatten().flatten().collect();
        assert_eq!(all, Vec::from_iter(0..outer * middle * inner));
    }
}

fn s1_ranges_of_every_type(bed: &Bed) {
    let run = bed.executor().run(&Database::new(()), |cx| {
        assert_eq!(cx.par_map(0..255_u8, |_, n| n), Vec::from_iter(0..255));
        let all = cx.par_map(i8::MIN..i8::MAX, |_, n| n);
        assert_eq!(all, Vec::from_iter(i8::MIN..i8::MAX));
        let first = if bed.is_seeded() {
            i16::MAX - 100
        } else {
            i16::MIN
        };
        let all = cx.par_map(first..i16::MAX, |_, n| n);
        assert_eq!(all, Vec::from_iter(first..i16::MAX));
        let few = cx.par_map(u16::MAX - 3..u16::MAX, |_, n| n);
        assert_eq!(few, Vec::from_iter(u16::MAX - 3..u16::MAX));
        let few = cx.par_map(-3..3_i32, |_, n| n);
        assert_eq!(few, Vec::from_iter(-3..3));
        let few = cx.par_map(isize::MIN..isize::MIN + 3, |_, n| n);
        assert_eq!(few, Vec::from_iter(isize::MIN..isize::MIN + 3));
        let few = cx.par_map(usize::MAX - 3..usize::MAX, |_, n| n);
        assert_eq!(few, Vec::from_iter(usize::MAX - 3..usize::MAX));
        assert_eq!((i32::MIN..i32::MAX).item(3_000_000_000), 852_516_352);
    });
    run.expect("nothing fails");
}

/// What is combined with what, as the library says: halves, down to 64 items in a row.
fn combined(numbers: &[f64]) -> f64 {
    if numbers.len() <= 64 {
        return numbers
            .iter()
            .copied()
            .reduce(|a, b| a / 3.0 + b)
            .expect("not empty");
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    combined(left) / 3.0 + combined(right)
}

fn s1_reductions_of_floats(bed: &Bed) {
    let executor = bed.executor();
    let mut random = Random::new(5);
    let most = bed.at_most_seeded(300, 20_001);
    for len in bed.cases([0, 1, 2, 63, 64, 65, 129, 1000, most]) {
        let numbers: Vec<f64> = (0..len)
            .map(|_| random.below(1_000_000) as f64 / 7.0)
            .collect();
        let run = executor.run(&Database::new(()), |cx| {
            cx.par_reduce(&numbers, |_, number| *number, |a, b| a / 3.0 + b)
        });
        let expected = (len > 0).then(|| combined(&numbers).to_bits());
        let reduced = run.expect("nothing fails").map(f64::to_bits);
        assert_eq!(reduced, expected, "of {len}");
    }
}

/// Says another length each time.
struct Moody {
    lengths: [usize; 4],
    asked: AtomicUsize,
    numbers: Vec<String>,
}

impl Indexed for Moody {
    type Item = String;

    fn len(&self) -> usize {
        self.lengths[self.asked.fetch_add(1, Ordering::Relaxed) % 4]
    }

    fn item(&self, index: usize) -> String {
        self.numbers[index].clone()
    }
}

/// However it lies, nothing is read that is not there: there are as many items as it said at some time.
fn s1_sources_whose_length_changes(bed: &Bed) {
    let executor = bed.executor();
    for first in bed.cases(0..4) {
        let moody = || Moody {
            lengths: [3, 2000, 0, 500],
            asked: AtomicUsize::new(first),
            numbers: (0..2000).map(|i| i.to_string()).collect(),
        };
        let run = executor.run(&Database::new(()), |cx| {
            let check = |numbers: Vec<String>| {
                assert!([0, 3, 500, 2000].contains(&numbers.len()));
                for (i, number) in numbers.iter().enumerate() {
                    assert_eq!(*number, i.to_string());
                }
            };
            check(cx.par_map(moody(), |_, number| number));
            check(cx.par_map(Enumerate(moody()), |_, (i, number)| {
                assert_eq!(number, i.to_string());
                number
            }));
            cx.par_for_each(moody(), |_, number| assert!(number.len() < 5));
            let reduced = cx.par_reduce(moody(), |_, n| vec![n], |a, b| [a, b].concat());
            check(reduced.unwrap_or_default());
        });
        run.expect("nothing fails");
    }
}

fn check_chunks(cx: &Cx<'_, ()>, len: usize, chunk_len: usize) {
    let mut items: Vec<usize> = (0..len).collect();
    let chunks = cx.par_chunks(&items, chunk_len, |_, chunk| chunk.to_vec());
    let expected: Vec<_> = items.chunks(chunk_len).map(<[_]>::to_vec).collect();
    assert_eq!(chunks, expected, "{len} in chunks of {chunk_len}");
    cx.par_chunks_mut(&mut items, chunk_len, |_, first, chunk| {
        assert_eq!(chunk.len(), chunk_len.min(len - first));
        for (i, item) in chunk.iter_mut().enumerate() {
            assert_eq!(*item, first + i);
            *item += len;
        }
    });
    assert_eq!(items, Vec::from_iter(len..2 * len));
}

fn s1_chunks_of_any_length(bed: &Bed) {
    let executor = bed.executor();
    for len in bed.cases([0, 1, 2, 3, 1000, 1001, 5000].map(|len| bed.at_most_seeded(1001, len))) {
        for chunk_len in bed.cases([1, 2, 7, 500, 1000, 1001, usize::MAX]) {
            let run = executor.run(&Database::new(()), |cx| check_chunks(cx, len, chunk_len));
            run.expect("nothing fails");
        }
    }
}

/// Items of no size: there may be as many as there are numbers.
fn chunks_of_more_items_than_memory_holds(bed: &Bed) {
    const CHUNK: usize = usize::MAX / 2 + 1;
    let run = bed.executor().run(&Database::new(()), |cx| {
        let mut items = [(); usize::MAX];
        cx.par_chunks_mut(&mut items, CHUNK, |_, first, chunk| {
            assert_eq!(chunk.len(), CHUNK.min(usize::MAX - first));
        });
        cx.par_chunks(&items, CHUNK, |_, chunk| chunk.len())
    });
    assert_eq!(run.expect("nothing fails"), [CHUNK, CHUNK - 1]);
}

fn chunks_of_nothing_are_refused(bed: &Bed) {
    for is_mut in [false, true] {
        let run = || {
            bed.executor().run(&Database::new(()), |cx| {
                if is_mut {
                    cx.par_chunks_mut(&mut [1, 2], 0, |_, _, _| ());
                } else {
                    cx.par_chunks(&[1, 2], 0, |_, _| ());
                }
            })
        };
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let payload = payload.map(|_| ()).expect_err("it panics");
        let text = payload.downcast_ref::<&str>().expect("a text");
        assert!(text.contains("at least one item"), "{text}");
    }
}
