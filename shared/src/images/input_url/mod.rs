//! Pictures that customers keep elsewhere: which addresses are taken, and how one is fetched.
//!
//! An address that a stranger gives is a way to make our servers ask for something that she cannot ask for herself: this
//! machine, the network around it, a cloud's metadata. So the text is judged when it is given ([`check_input_url`]), and
//! every address that its name resolves to is judged when a connection is made to it ([`InputFetcher`]).

mod address;
mod check;
mod fetcher;
mod resolver;

#[cfg(test)]
mod tests;

pub use self::check::{INPUT_URL_BYTES_MAX, check_input_url};
pub use self::fetcher::{FetchError, InputFetcher};
pub(crate) use self::resolver::PublicResolver;
