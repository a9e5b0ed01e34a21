#![allow(missing_docs)]
use dagwood::*;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fib(u32);
impl Query<()> for Fib {
    type Value = u64;
    fn provide(self, cx: &Cx<'_, ()>) -> u64 {
        if self.0 < 2 {
            self.0.into()
        } else {
            let (a, b) = cx.join(|cx| *cx.get(Fib(self.0 - 1)), |cx| *cx.get(Fib(self.0 - 2)));
            a + b
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ring(u32);
impl Query<u32> for Ring {
    type Value = u64;
    fn provide(self, cx: &Cx<'_, u32>) -> u64 {
        *cx.get(Ring((self.0 + 1) % cx.data()))
    }
}
fn fib(cx: &Cx<'_, ()>, n: u32) -> u64 {
    if n < 2 {
        n.into()
    } else {
        let (a, b) = cx.join(|cx| fib(cx, n - 1), |cx| fib(cx, n - 2));
        a + b
    }
}
#[test]
fn all() {
    for &b in Executor::backends() {
        for w in [1, 2, 4] {
            let ex = Executor::builder()
                .backend(b)
                .workers(w)
                .statistics(true)
                .build()
                .unwrap();
            for _ in 0..50 {
                let db = Database::new(());
                assert_eq!(
                    ex.run(&db, |cx| *cx.get(Fib(80))).unwrap(),
                    23416728348467685
                );
                assert_eq!(ex.run(&db, |cx| fib(cx, 20)).unwrap(), 6765);
                for n in 1..4 {
                    let db = Database::new(n);
                    let e = ex
                        .run(&db, |cx| {
                            cx.par_map(0..n as usize, |cx, i| {
                                cx.try_get(Ring(i as u32))
                                    .map(|x| *x)
                                    .unwrap_err()
                                    .to_string()
                            })
                        })
                        .unwrap();
                    assert!(e.iter().all(|x| *x == e[0]), "{e:?}");
                    assert!(e[0].starts_with("query cycle: Ring(0)"), "{e:?}");
                }
            }
            println!("{b} {w} {:?}", ex.statistics());
        }
    }
}
