//! Boots the system on one machine: for demos, for development, and for every test that needs more than memory.

pub mod books;
pub mod builders;
pub mod client;
pub mod postgres;
pub mod stack;
pub mod test_stack;
