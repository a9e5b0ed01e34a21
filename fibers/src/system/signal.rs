//! Faults, alternate signal stacks, and dying by a signal.
//!
//! All that handlers call here is async-signal-safe, but for what the caller's closures do.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use super::memory;

/// The stack of handlers: what a key's `Debug` may need, or a panic inside it.
const STACK_BYTES: usize = 256 << 10;

/// What the handler of ours wants to come after it.
#[must_use]
pub(crate) enum Chain {
    /// The handler that was there before.
    Previous,
    /// The signal's default: the end.
    Die,
}

/// A fault, as the handler sees it.
pub(crate) struct Fault {
    address: usize,
}

impl Fault {
    /// The address that was touched; on some targets only its page.
    pub(crate) fn address(&self) -> usize {
        self.address
    }
}

/// What was there before for the two signals, and the handler of ours. Written before ours is installed.
struct Handlers {
    segv: libc::sigaction,
    bus: libc::sigaction,
    ours: fn(&Fault) -> Chain,
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// Calls `ours` for each `SIGSEGV` and `SIGBUS` of the process from now on, and then what it says. Once.
pub(crate) fn catch_faults(ours: fn(&Fault) -> Chain) -> io::Result<()> {
    let handlers = Handlers {
        segv: action_of(libc::SIGSEGV)?,
        bus: action_of(libc::SIGBUS)?,
        ours,
    };
    if HANDLERS.set(handlers).is_err() {
        return Ok(());
    }
    let mut action = no_action();
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    set_action(libc::SIGSEGV, &action)?;
    set_action(libc::SIGBUS, &action)
}

fn no_action() -> libc::sigaction {
    // SAFETY: a plain C struct, for which zeros are the default action, no flags and an empty mask.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn action_of(signal: libc::c_int) -> io::Result<libc::sigaction> {
    let mut action = no_action();
    // SAFETY: asks only; both pointers are null or good.
    result(unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) })?;
    Ok(action)
}

fn set_action(signal: libc::c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the callers' handlers have the type that their flags say.
    result(unsafe { libc::sigaction(signal, action, ptr::null_mut()) })
}

fn result(code: libc::c_int) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(handlers) = HANDLERS.get() else {
        return;
    };
    // SAFETY: the kernel passes the signal's description.
    let told = unsafe { &*info };
    let code = told.si_code;
    // A signal that a process has sent has no address.
    let chain = if code > 0 {
        // SAFETY: both signals carry an address.
        let address = unsafe { told.si_addr() }.addr();
        (handlers.ours)(&Fault { address })
    } else {
        Chain::Previous
    };
    let previous = match signal {
        libc::SIGSEGV => &handlers.segv,
        _ => &handlers.bus,
    };
    match (chain, previous.sa_sigaction) {
        (Chain::Previous, libc::SIG_IGN) if code <= 0 => (),
        (Chain::Die, _) | (_, libc::SIG_DFL | libc::SIG_IGN) => default_action(signal, code > 0),
        (Chain::Previous, handler) => {
            // SAFETY: what the system had as the handler of this signal, with or without `SA_SIGINFO`. The one without
            // takes the first argument only, which the C calling conventions of all targets allow for.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute::<libc::sighandler_t, _>(handler) };
            handler(signal, info, context);
        }
    }
}

/// Lets the signal do what it does by default: a fault comes again as soon as the handler returns; one that was sent
/// is sent again.
fn default_action(signal: libc::c_int, is_fault: bool) {
    let _ = set_action(signal, &no_action());
    if !is_fault {
        // SAFETY: sends a signal to this thread; it is blocked until the handler returns.
        unsafe { libc::raise(signal) };
    }
}

/// Runs `body`, and lets the process die by `SIGSEGV` if that takes longer. In a handler.
pub(crate) fn with_deadline(seconds: u32, body: impl FnOnce()) {
    let mut action = no_action();
    let handler: extern "C" fn(libc::c_int) = on_alarm;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_ONSTACK;
    let _ = set_action(libc::SIGALRM, &action);
    unblock(libc::SIGALRM);
    // SAFETY: asks for a signal.
    unsafe { libc::alarm(seconds) };
    body();
    // SAFETY: takes the request back.
    unsafe { libc::alarm(0) };
}

extern "C" fn on_alarm(_: libc::c_int) {
    let _ = set_action(libc::SIGSEGV, &no_action());
    unblock(libc::SIGSEGV);
    // SAFETY: sends a signal to this thread, which ends the process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

fn unblock(signal: libc::c_int) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: fills the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is filled.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    // SAFETY: as above; changes this thread's mask.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut()) };
}

/// For a thread that must not disturb another's last words.
pub(crate) fn wait_for_the_end() -> ! {
    loop {
        // SAFETY: waits.
        unsafe { libc::pause() };
    }
}

/// A number that no other living thread has; not zero.
pub(crate) fn thread_number() -> usize {
    // SAFETY: asks for a number.
    let thread = unsafe { libc::pthread_self() };
    // An integer, on musl a pointer.
    thread as usize
}

/// Writes what it can.
pub(crate) fn write_stderr(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the buffer is good for its length.
        let written = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => bytes = &bytes[written.min(bytes.len())..],
            _ => return,
        }
    }
}

/// Standard error, without a buffer or a lock.
pub(crate) struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_stderr(text.as_bytes());
        Ok(())
    }
}

/// The alternate signal stack of one thread, in place of the one it had.
#[derive(Debug)]
pub(crate) struct AlternateStack {
    start: NonNull<u8>,
    previous: libc::stack_t,
    /// It belongs to its thread.
    not_send: PhantomData<*mut ()>,
}

impl AlternateStack {
    pub(crate) fn install() -> io::Result<AlternateStack> {
        let guard_bytes = memory::page_bytes();
        let start = memory::map(guard_bytes + STACK_BYTES)?;
        // SAFETY: the first page of the mapping just made.
        if let Err(error) = unsafe { memory::forbid(start, guard_bytes) } {
            // SAFETY: as above, still unused.
            unsafe { memory::unmap(start, guard_bytes + STACK_BYTES) };
            return Err(error);
        }
        let stack = libc::stack_t {
            ss_sp: start.as_ptr().wrapping_add(guard_bytes).cast(),
            ss_flags: 0,
            ss_size: STACK_BYTES,
        };
        let mut previous = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: the memory is ours until `drop` has taken it back.
        let code = unsafe { libc::sigaltstack(&raw const stack, previous.as_mut_ptr()) };
        if let Err(error) = result(code) {
            // SAFETY: as above, still unused.
            unsafe { memory::unmap(start, guard_bytes + STACK_BYTES) };
            return Err(error);
        }
        Ok(AlternateStack {
            start,
            // SAFETY: the call succeeded, and so filled it.
            previous: unsafe { previous.assume_init() },
            not_send: PhantomData,
        })
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: the thread's own, from before; whoever made it keeps it as long as the thread.
        let code = unsafe { libc::sigaltstack(&raw const self.previous, ptr::null_mut()) };
        if code == 0 {
            let bytes = memory::page_bytes() + STACK_BYTES;
            // SAFETY: made by `install`; the thread uses the previous one from now on.
            unsafe { memory::unmap(self.start, bytes) };
        }
    }
}

/// The lowest address of the calling thread's own stack, without its guard.
pub(crate) fn own_stack_limit() -> Option<usize> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: asks for a number.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: the calling thread is alive; fills the attributes.
    if unsafe { libc::pthread_getattr_np(thread, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut start, mut bytes) = (ptr::null_mut(), 0);
    let place = attributes.as_mut_ptr();
    // SAFETY: filled above.
    let code = unsafe { libc::pthread_attr_getstack(place, &raw mut start, &raw mut bytes) };
    // SAFETY: filled above, and not used any more.
    unsafe { libc::pthread_attr_destroy(place) };
    (code == 0).then(|| start.addr())
}
