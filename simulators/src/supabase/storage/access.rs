//! Who is asking, and what her role may do with an object.

use poem::Request;

use super::error::StorageError;
use crate::supabase::Project;
use crate::supabase::gateway::{self, Key};

/// The database role that a request runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Service,
    /// With the `sub` of her token.
    User(String),
    Anon,
}

/// Why nobody in particular is asking.
pub(super) enum NoCaller {
    Gateway(gateway::Refusal),
    Storage(StorageError),
}

impl Caller {
    /// Reads the request's key.
    pub(super) fn of(project: &Project, request: &Request) -> Result<Self, NoCaller> {
        match gateway::key(project, request).map_err(NoCaller::Gateway)? {
            Key::Secret => Ok(Self::Service),
            Key::Publishable => Ok(Self::Anon),
            Key::Token(token) => Self::of_token(project, &token).map_err(NoCaller::Storage),
            Key::None => Err(NoCaller::Storage(StorageError::invalid_request(
                "headers must have required property 'authorization'",
            ))),
        }
    }

    /// Only role, `sub` and `exp` are looked at: no issuer, no audience, and no `exp` is no end.
    fn of_token(project: &Project, token: &str) -> Result<Self, StorageError> {
        let claims = project.keys.verify(token, project.clock.unix())?;
        match claims["role"].as_str() {
            Some("service_role") => Ok(Self::Service),
            Some("authenticated") => Ok(Self::User(claims["sub"].as_str().unwrap_or_default().to_owned())),
            Some("anon") | None => Ok(Self::Anon),
            Some(_) => Err(StorageError::unknown_role()),
        }
    }

    pub(super) fn is_service(&self) -> bool {
        *self == Self::Service
    }

    /// The product's policies: a user reads and inserts what lies in `{user_id}/uploads/`, and nothing else.
    pub(super) fn may_see(&self, key: &str) -> bool {
        match self {
            Self::Service => true,
            Self::User(id) => {
                key.strip_prefix(id.as_str()).is_some_and(|rest| !id.is_empty() && rest.starts_with("/uploads/"))
            }
            Self::Anon => false,
        }
    }

    pub(super) fn may_insert(&self, key: &str) -> bool {
        self.may_see(key)
    }

    /// There is no UPDATE and no DELETE policy.
    pub(super) fn may_change(&self) -> bool {
        self.is_service()
    }

    pub(super) fn owner(&self) -> Option<&str> {
        match self {
            Self::User(id) => Some(id),
            Self::Service | Self::Anon => None,
        }
    }
}
