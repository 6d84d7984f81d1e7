//! Who has signed up: rows of `auth.users` of a given database, or memory.

use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::net::lock;

/// Users in memory at most.
pub const USERS_MAX: usize = 100_000;
const CONNECTIONS_MAX: u32 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A user as auth knows her.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) email: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) metadata: Value,
    pub(crate) is_anonymous: bool,
    pub(crate) created_at: DateTime<Utc>,
}

/// Why a user could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error("a user with this e-mail address exists")]
    Exists,
    #[error("too many users in memory")]
    Full,
    /// Also an error in a trigger on the table, which `GoTrue` reports the same way.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

pub(crate) enum Users {
    Memory(Mutex<Vec<User>>),
    Database(PgPool),
}

impl Users {
    /// Connects when it is first used.
    ///
    /// # Errors
    ///
    /// The URL is none of Postgres.
    pub(crate) fn new(database_url: Option<&str>) -> Result<Self, sqlx::Error> {
        let Some(url) = database_url else { return Ok(Self::Memory(Mutex::default())) };
        let pool =
            PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(CONNECT_TIMEOUT).connect_lazy(url)?;
        Ok(Self::Database(pool))
    }

    pub(crate) async fn insert(&self, user: User) -> Result<(), UsersError> {
        match self {
            Self::Memory(users) => {
                let mut users = lock(users);
                if user.email.is_some() && users.iter().any(|other| other.email == user.email) {
                    return Err(UsersError::Exists);
                }
                if users.len() >= USERS_MAX {
                    return Err(UsersError::Full);
                }
                users.push(user);
                Ok(())
            }
            Self::Database(pool) => insert_row(pool, &user).await,
        }
    }

    pub(crate) async fn find_by_email(&self, email: &str) -> Result<Option<User>, UsersError> {
        match self {
            Self::Memory(users) => Ok(lock(users).iter().find(|user| user.email.as_deref() == Some(email)).cloned()),
            Self::Database(pool) => {
                let sql = select_where("lower(email) = lower($1) and is_sso_user = false");
                Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(email).fetch_optional(pool).await?)
            }
        }
    }

    pub(crate) async fn find(&self, id: Uuid) -> Result<Option<User>, UsersError> {
        match self {
            Self::Memory(users) => Ok(lock(users).iter().find(|user| user.id == id).cloned()),
            Self::Database(pool) => {
                let sql = select_where("id = $1");
                Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?)
            }
        }
    }

    /// Changes the password, and lays metadata over what there is.
    pub(crate) async fn update(&self, user: &User) -> Result<(), UsersError> {
        match self {
            Self::Memory(users) => {
                if let Some(kept) = lock(users).iter_mut().find(|kept| kept.id == user.id) {
                    kept.clone_from(user);
                }
            }
            Self::Database(pool) => {
                let sql = "update auth.users set encrypted_password = $2, raw_user_meta_data = $3, updated_at = now() where id = $1";
                sqlx::query(sql).bind(user.id).bind(&user.password).bind(&user.metadata).execute(pool).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, id: Uuid) -> Result<bool, UsersError> {
        match self {
            Self::Memory(users) => {
                let mut users = lock(users);
                let before = users.len();
                users.retain(|user| user.id != id);
                Ok(users.len() < before)
            }
            Self::Database(pool) => {
                let deleted = sqlx::query("delete from auth.users where id = $1").bind(id).execute(pool).await?;
                Ok(deleted.rows_affected() > 0)
            }
        }
    }
}

async fn insert_row(pool: &PgPool, user: &User) -> Result<(), UsersError> {
    let inserted = sqlx::query(
        "insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, last_sign_in_at,
            raw_app_meta_data, raw_user_meta_data, created_at, updated_at, is_anonymous)
         values ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', 'authenticated', $2, $3, case when not $7 then $4 end, $4, $5, $6, $4, $4, $7)",
    )
    .bind(user.id)
    .bind(&user.email)
    .bind(&user.password)
    .bind(user.created_at)
    .bind(user.app_metadata())
    .bind(&user.metadata)
    .bind(user.is_anonymous)
    .execute(pool)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_taken(&error) => Err(UsersError::Exists),
        Err(error) => Err(error.into()),
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation() && error.table() == Some("users"))
}

fn select_where(condition: &str) -> String {
    format!(
        "select id, email, encrypted_password, raw_user_meta_data, is_anonymous, created_at from auth.users where {condition}"
    )
}

impl FromRow<'_, sqlx::postgres::PgRow> for User {
    fn from_row(row: &sqlx::postgres::PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            email: row.try_get("email")?,
            password: row.try_get("encrypted_password")?,
            metadata: row.try_get::<Option<Value>, _>("raw_user_meta_data")?.unwrap_or_else(|| json!({})),
            is_anonymous: row.try_get("is_anonymous")?,
            created_at: row.try_get::<Option<_>, _>("created_at")?.unwrap_or_default(),
        })
    }
}

impl User {
    fn app_metadata(&self) -> Value {
        if self.is_anonymous { json!({}) } else { json!({"provider": "email", "providers": ["email"]}) }
    }

    /// What auth keeps of an identity, and shows in the user's metadata, too.
    fn identity_data(&self) -> Value {
        let mut data = self.metadata.clone();
        if let (Some(email), Some(data)) = (&self.email, data.as_object_mut()) {
            data.insert("sub".to_owned(), json!(self.id));
            data.insert("email".to_owned(), json!(email));
            // Addresses are taken as confirmed at the sign-up.
            data.insert("email_verified".to_owned(), json!(true));
            data.insert("phone_verified".to_owned(), json!(false));
        }
        data
    }

    /// Who has an e-mail address has one identity; clients take a user without any for one that existed before.
    fn identities(&self) -> Value {
        if self.email.is_none() {
            return json!([]);
        }
        json!([{
            "identity_id": self.id, "id": self.id, "user_id": self.id, "identity_data": self.identity_data(),
            "provider": "email", "email": self.email, "last_sign_in_at": self.created_at, "created_at": self.created_at,
            "updated_at": self.created_at,
        }])
    }

    /// The `user` object of answers.
    pub(crate) fn to_json(&self) -> Value {
        let confirmed_at = (!self.is_anonymous).then_some(self.created_at);
        json!({
            "id": self.id, "aud": "authenticated", "role": "authenticated", "email": self.email.as_deref().unwrap_or_default(),
            "email_confirmed_at": confirmed_at, "confirmed_at": confirmed_at, "last_sign_in_at": self.created_at,
            "phone": "", "app_metadata": self.app_metadata(), "user_metadata": self.identity_data(), "identities": self.identities(),
            "created_at": self.created_at, "updated_at": self.created_at, "is_anonymous": self.is_anonymous,
        })
    }

    /// The claims of a token of hers, as `GoTrue` writes them.
    pub(crate) fn claims(&self, issuer: &str, session: Uuid, now: i64, lifetime: i64) -> Value {
        json!({
            "iss": issuer, "sub": self.id, "aud": "authenticated", "iat": now, "exp": now + lifetime,
            "email": self.email.as_deref().unwrap_or_default(), "phone": "", "app_metadata": self.app_metadata(),
            "user_metadata": self.identity_data(), "role": "authenticated", "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}], "session_id": session, "is_anonymous": self.is_anonymous,
        })
    }

    pub(crate) fn has_password(&self, password: &str) -> bool {
        let Some(salt) = self.password.as_deref().and_then(|kept| kept.split('$').nth(1)) else { return false };
        self.password.as_deref() == Some(&hash(salt, password))
    }
}

/// A salted hash. Enough for a simulator, whose passwords protect nothing; never for a real service.
pub(crate) fn new_hash(password: &str) -> String {
    hash(&Uuid::new_v4().simple().to_string(), password)
}

fn hash(salt: &str, password: &str) -> String {
    let digest = Sha256::digest(format!("{salt}${password}").as_bytes());
    format!("simulated${salt}${}", URL_SAFE_NO_PAD.encode(digest))
}
