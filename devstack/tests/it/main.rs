//! What devstack promises to those who build on it, tried on the real system.

mod client;
mod test_stack;
