//! A fixed number of atomic pointers in one piece of memory, their number in front: what tables point at and readers look
//! through without a lock.
//!
//! Used by `hashed.rs` and `dense.rs`. Known by a thin pointer, so that another can take its place by one store; knows
//! nothing of what is pointed at.

use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::pieces;
use crate::sync::AtomicPtr;

/// What lies before the pointers.
#[repr(C, align(16))]
struct Header {
    /// The number of pointers.
    len: usize,
    /// One less: what an index is cut with, if the number is a power of two.
    mask: usize,
}

/// The place of the pointers, all null at first. Copies share them.
pub(super) struct Pointers<T> {
    header: NonNull<Header>,
    targets: PhantomData<*mut T>,
}

impl<T> Clone for Pointers<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Pointers<T> {}

// SAFETY: only an address; who looks through it answers for what is pointed at.
unsafe impl<T> Send for Pointers<T> {}

impl<T> Pointers<T> {
    /// So many null pointers.
    pub(super) fn new(len: usize) -> Self {
        let layout = layout_of::<T>(len);
        let header = pieces::allocate_zeroed(layout).cast::<Header>();
        let mask = len.wrapping_sub(1);
        // SAFETY: just allocated, with this at its beginning.
        unsafe { header.write(Header { len, mask }) };
        Pointers {
            header,
            targets: PhantomData,
        }
    }

    /// What an `AtomicPtr` holds of it.
    pub(super) fn into_raw(self) -> *mut () {
        self.header.as_ptr().cast()
    }

    /// # Safety
    ///
    /// `raw` comes from [`into_raw`](Self::into_raw) of one with this type.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: by contract, and what is made by `new` is not null.
        let header = unsafe { NonNull::new_unchecked(raw.cast()) };
        Pointers {
            header,
            targets: PhantomData,
        }
    }

    /// Whether the two are one.
    #[inline]
    pub(super) fn is(self, other: Self) -> bool {
        self.header == other.header
    }

    /// # Safety
    ///
    /// It is not freed.
    #[inline]
    pub(super) unsafe fn len(self) -> usize {
        // SAFETY: by contract.
        unsafe { self.header.as_ref() }.len
    }

    /// # Safety
    ///
    /// It is not freed.
    #[inline]
    pub(super) unsafe fn mask(self) -> usize {
        // SAFETY: by contract.
        unsafe { self.header.as_ref() }.mask
    }

    /// # Safety
    ///
    /// It is not freed as long as `'a` lasts, and `index` is less than its length.
    #[inline]
    pub(super) unsafe fn at<'a>(self, index: usize) -> &'a AtomicPtr<T> {
        // SAFETY: the pointers lie right behind the header.
        let first = unsafe { self.header.as_ptr().add(1) }.cast::<AtomicPtr<T>>();
        // SAFETY: by contract.
        let place = unsafe { first.add(index) };
        // SAFETY: allocated; zeroed memory is a null pointer.
        unsafe { &*place }
    }

    /// All of them.
    ///
    /// # Safety
    ///
    /// It is not freed as long as `'a` lasts.
    pub(super) unsafe fn all<'a>(self) -> &'a [AtomicPtr<T>] {
        // SAFETY: the pointers lie right behind the header.
        let first = unsafe { self.header.as_ptr().add(1) }.cast::<AtomicPtr<T>>();
        // SAFETY: by contract.
        let len = unsafe { self.len() };
        // SAFETY: so many were allocated; zeroed memory is null pointers.
        unsafe { std::slice::from_raw_parts(first, len) }
    }

    /// The memory it has, in bytes.
    ///
    /// # Safety
    ///
    /// It is not freed.
    pub(super) unsafe fn bytes(self) -> usize {
        // SAFETY: by contract.
        layout_of::<T>(unsafe { self.len() }).size()
    }

    /// # Safety
    ///
    /// Nobody looks through it any more.
    pub(super) unsafe fn free(self) {
        // SAFETY: by contract.
        let layout = layout_of::<T>(unsafe { self.len() });
        // SAFETY: allocated by `new` with this layout.
        unsafe { pieces::free(self.header.cast(), layout) };
    }
}

fn layout_of<T>(len: usize) -> Layout {
    let pointers = Layout::array::<AtomicPtr<T>>(len).expect("fewer than memory has");
    let (layout, start) = Layout::new::<Header>()
        .extend(pointers)
        .expect("fewer than memory has");
    debug_assert_eq!(start, size_of::<Header>());
    layout
}
