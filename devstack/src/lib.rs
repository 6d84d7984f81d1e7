//! Boots the system on one machine: for demos, for development, and for every test that needs more than memory.
//!
//! - [`attack`]: what tests try that must not succeed, and the table of it.
//! - [`stack`]: the whole system as processes, as `make demo` and `make run` show it.
//! - [`test_stack`]: the same inside one test, where time only passes when the test says so.
//! - [`postgres`]: the private database server, and a database of its own for each test.
//! - [`client`] and [`builders`]: acting as a user, through the API alone, with the pictures of [`samples`].
//! - [`picture_host`]: a web server for pictures that a request names by address.
//! - [`contact_sheet`]: many pictures on one.
//! - [`log_lines`]: what was logged, for tests that read it.
//! - [`foreign_tool`]: programs of others that tests run; [`otlp_receiver`]: one that takes spans.
//! - [`shop`]: what is on sale there, and how it is paid.
//! - [`silent_proxy`]: makes database connections fall silent: they stay open, but answer nothing.
//! - [`books`]: what only the database tells; [`strange_rows`]: rows with extreme values.
//!
//! Services never depend on it; their tests do.

pub mod attack;
pub mod books;
pub mod bucket;
pub mod builders;
pub mod client;
pub mod contact_sheet;
pub mod foreign_tool;
pub mod graph_endpoint;
pub mod log_lines;
pub mod otlp_receiver;
pub mod picture_host;
pub mod postgres;
pub mod samples;
pub mod shop;
pub mod silent_proxy;
pub mod stack;
pub mod strange_rows;
pub mod test_stack;
mod test_user;
