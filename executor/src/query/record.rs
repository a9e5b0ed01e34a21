//! Records: what a query asked.

/// What the provider of one query asked for, in program order.
pub(crate) struct Record {}
