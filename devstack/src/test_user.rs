//! Somebody who uses a [`crate::test_stack::TestStack`].

use std::ops::Deref;

use uuid::Uuid;

use crate::client::{Client, SignedIn};

/// A user with 100 welcome credits, signed in. Derefs to the [`Client`] with her token.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub signed_in: SignedIn,
    pub client: Client,
}

impl Deref for TestUser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl TestUser {
    pub fn id(&self) -> Uuid {
        self.signed_in.user_id
    }
}
