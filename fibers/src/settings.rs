//! What is asked of stacks: their size, and how their guards are made.

/// How a stack's guard, which turns an overflow into a fault, is made.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Guards {
    /// Light ones if the system has them, else splitting ones.
    #[default]
    Best,
    /// By `MADV_GUARD_INSTALL` (Linux 6.13): any number of stacks share a mapping. An error where the system
    /// has not got it.
    Light,
    /// By `mprotect`: each guard splits its mapping, so a stack costs two, of which Linux by default allows
    /// 65,530 in a process.
    Splitting,
}

/// What stacks are to be like.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackSettings {
    /// At least so many bytes each; the mechanism and the system may have a larger minimum and round up to pages.
    pub stack_bytes: usize,
    /// How guards are made. Means something to [`Mechanism::Switch`](crate::Mechanism::Switch) on Linux only.
    pub guards: Guards,
    #[doc(hidden)]
    pub faults: Faults,
}

impl StackSettings {
    /// Stacks of this size, with the best guards there are.
    pub fn new(stack_bytes: usize) -> Self {
        StackSettings {
            stack_bytes,
            guards: Guards::Best,
            faults: Faults::default(),
        }
    }

    /// The same, with guards made like this.
    #[must_use]
    pub fn with_guards(self, guards: Guards) -> Self {
        StackSettings { guards, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        StackSettings { faults, ..self }
    }
}

/// For tests of exhaustion: system calls that fail as if there were no more memory, from the stack with this
/// number on (the first is 1).
#[doc(hidden)]
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// No region may reach to this stack.
    pub map_from: Option<usize>,
    /// The guard of this stack cannot be made.
    pub guard_from: Option<usize>,
}

impl Faults {
    /// Whether a region may not be mapped that ends with stack number `last`.
    #[allow(dead_code, reason = "unused where there are no regions")]
    pub(crate) fn map_fails(&self, last: usize) -> bool {
        self.map_from.is_some_and(|from| last >= from)
    }

    /// Whether the guard of this stack cannot be made.
    #[allow(dead_code, reason = "unused where there are no regions")]
    pub(crate) fn guard_fails(&self, number: usize) -> bool {
        self.guard_from.is_some_and(|from| number >= from)
    }
}
