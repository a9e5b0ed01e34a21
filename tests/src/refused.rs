//! What must not compile, each beside a twin that does, so that it fails for the reason it names.
