//! Sessions and their refresh tokens: each token brings the next one, and one that two hold brings nothing any more.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use uuid::Uuid;

use crate::net::lock;

/// Refresh tokens kept; with more, all are dropped, and clients sign in again.
const REFRESH_TOKENS_MAX: usize = 100_000;
/// Ended sessions that are remembered; with more, all are forgotten, and their tokens live until they expire.
const ENDED_SESSIONS_MAX: usize = 100_000;
/// How long a used refresh token still answers with what it was exchanged for, as two tabs of one browser may both send it.
const REUSE_SECONDS: i64 = 10;

/// Which sessions a sign-out ends, seen from the one that asks for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of the user, which is what clients ask for if they are not told otherwise.
    Global,
    /// This one.
    Local,
    /// All but this one.
    Others,
}

impl Scope {
    pub(super) fn parse(name: Option<&str>) -> Option<Self> {
        match name.unwrap_or("global") {
            "global" => Some(Self::Global),
            "local" => Some(Self::Local),
            "others" => Some(Self::Others),
            _ => None,
        }
    }
}

/// Why a refresh token brings nothing.
#[derive(Clone, Copy)]
pub(super) enum Refused {
    Unknown,
    /// It was used before, and not just now.
    Used,
}

/// A session that goes on: whose it is, and its next refresh token.
pub(super) struct Continued {
    pub(super) user: Uuid,
    pub(super) session: Uuid,
    pub(super) refresh_token: String,
}

struct RefreshToken {
    user: Uuid,
    session: Uuid,
    parent: Option<String>,
    used_at: Option<i64>,
}

#[derive(Default)]
pub(in crate::supabase) struct Sessions(Mutex<Books>);

#[derive(Default)]
struct Books {
    tokens: HashMap<String, RefreshToken>,
    ended: HashSet<Uuid>,
}

impl Sessions {
    /// Begins a session; its first refresh token.
    pub(super) fn begin(&self, user: Uuid, session: Uuid) -> String {
        lock(&self.0).issue(user, session, None)
    }

    /// Exchanges a refresh token for the next one.
    ///
    /// # Errors
    ///
    /// It is unknown; or it was used before, and then the session's other tokens are gone, too, as two seem to hold them.
    pub(super) fn refresh(&self, token: &str, now: i64) -> Result<Continued, Refused> {
        let mut books = lock(&self.0);
        let known = books.tokens.get_mut(token).ok_or(Refused::Unknown)?;
        let (user, session, used_at) = (known.user, known.session, known.used_at);
        let Some(used_at) = used_at else {
            known.used_at = Some(now);
            let refresh_token = books.issue(user, session, Some(token.to_owned()));
            return Ok(Continued { user, session, refresh_token });
        };
        let mut of_session = books.tokens.iter().filter(|(_, other)| other.session == session);
        let active = of_session.find(|(_, other)| other.used_at.is_none());
        match active {
            // Who sends the active token's parent again did not hear the answer.
            Some((active, kept)) if kept.parent.as_deref() == Some(token) || now <= used_at + REUSE_SECONDS => {
                Ok(Continued { user, session, refresh_token: active.clone() })
            }
            _ => {
                books.tokens.retain(|_, other| other.session != session);
                Err(Refused::Used)
            }
        }
    }

    /// Ends sessions of a user.
    pub(super) fn end(&self, user: Uuid, session: Uuid, scope: Scope) {
        let mut books = lock(&self.0);
        books.end(|other| match scope {
            Scope::Global => other.user == user,
            Scope::Local => other.session == session,
            Scope::Others => other.user == user && other.session != session,
        });
        if scope != Scope::Others {
            books.ended.insert(session);
        }
    }

    pub(super) fn has_ended(&self, session: Uuid) -> bool {
        lock(&self.0).ended.contains(&session)
    }
}

impl Books {
    fn issue(&mut self, user: Uuid, session: Uuid, parent: Option<String>) -> String {
        if self.tokens.len() >= REFRESH_TOKENS_MAX {
            self.tokens.clear();
        }
        let token = Uuid::new_v4().simple().to_string();
        self.tokens.insert(token.clone(), RefreshToken { user, session, parent, used_at: None });
        token
    }

    fn end(&mut self, is_meant: impl Fn(&RefreshToken) -> bool) {
        if self.ended.len() >= ENDED_SESSIONS_MAX {
            self.ended.clear();
        }
        let ended = &mut self.ended;
        self.tokens.retain(|_, token| {
            let stays = !is_meant(token);
            if !stays {
                ended.insert(token.session);
            }
            stays
        });
    }
}
