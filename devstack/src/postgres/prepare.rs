//! Turns an empty database into one that looks like a Supabase project with our schema in it.

use shared::db::{self, Migrated};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use url::Url;

use super::PostgresError;
use super::project::{ProjectKind, STORAGE_SHIM, SUPABASE_SHIM, hosted_url};

/// A process that logs in with a role of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Api,
    Worker,
}

impl Service {
    const ALL: [Self; 2] = [Self::Api, Self::Worker];

    /// The role that the migrations make and grant to.
    pub fn role(self) -> &'static str {
        match self {
            Self::Api => "shootx_api",
            Self::Worker => "shootx_worker",
        }
    }

    /// A role that may log in and is a member of [`Service::role`].
    pub fn login(self) -> &'static str {
        match self {
            Self::Api => "shootx_api_login",
            Self::Worker => "shootx_worker_login",
        }
    }

    /// `url` with this service's login role instead of its user.
    pub fn url(self, url: &str) -> String {
        let mut url = Url::parse(url).expect("database URLs of this module are made by it");
        url.set_username(self.login()).expect("a postgres URL has a user");
        url.into()
    }
}

/// Applies what Supabase provides, then our migrations; both again without effect where they have been applied.
///
/// # Errors
/// When the database cannot be reached, or a statement is refused.
pub async fn prepare(url: &str) -> Result<Migrated, PostgresError> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute("set client_min_messages = error").await?;
    connection.execute(sqlx::raw_sql(SUPABASE_SHIM)).await?;
    connection.execute(sqlx::raw_sql(STORAGE_SHIM)).await?;
    let migrated = db::migrate(url).await?;
    ensure_login_roles(&mut connection).await?;
    connection.close().await?;
    Ok(migrated)
}

/// The same for the empty database of a project of some kind, migrated by its hosted owner.
///
/// # Errors
/// As [`prepare`].
pub(super) async fn prepare_project(url: &str, kind: ProjectKind) -> Result<Migrated, PostgresError> {
    kind.lay(url).await?;
    let migrated = db::migrate(&hosted_url(url)).await?;
    let mut connection = PgConnection::connect(url).await?;
    ensure_login_roles(&mut connection).await?;
    connection.close().await?;
    Ok(migrated)
}

/// Makes the login roles of the services, once a server.
///
/// # Errors
/// When the server refuses; not when another process makes them at the same moment.
pub async fn ensure_login_roles(connection: &mut PgConnection) -> Result<(), PostgresError> {
    for service in Service::ALL {
        let (role, login) = (service.role(), service.login());
        let statement = format!(
            "do $$ begin \
               if not exists (select from pg_roles where rolname = '{login}') then \
                 create role {login} login in role {role}; \
               end if; \
             exception when duplicate_object or unique_violation then null; end $$"
        );
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}
