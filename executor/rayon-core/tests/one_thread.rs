//! Without one of dagwood's backends: everything at once, on the thread that calls.
#![cfg(not(any(feature = "fibers", feature = "threads")))]

use std::sync::Mutex;

use rayon_core::{ThreadPoolBuilder, broadcast, current_num_threads, join, scope, spawn};

#[test]
fn w3_everything_runs_where_it_is_called() {
    let here = std::thread::current().id();
    let is_here = || std::thread::current().id() == here;
    assert_eq!(current_num_threads(), 1);
    assert_eq!(join(is_here, is_here), (true, true));
    assert_eq!(
        broadcast(|context| (context.index(), is_here())),
        [(0, true)]
    );
    let order = Mutex::new(Vec::new());
    scope(|scope| {
        scope.spawn(|_| order.lock().unwrap().push((1, is_here())));
        order.lock().unwrap().push((2, is_here()));
    });
    assert_eq!(order.into_inner().unwrap(), [(1, true), (2, true)]);
    let (sender, receiver) = std::sync::mpsc::channel();
    spawn(move || sender.send(3).unwrap());
    assert_eq!(receiver.try_recv(), Ok(3));
    let pool = ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    assert_eq!(pool.current_num_threads(), 1);
    assert!(pool.install(is_here));
}
