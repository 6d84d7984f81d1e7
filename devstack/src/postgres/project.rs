//! Supabase projects as this backend may find them, before any migration of ours.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use url::Url;

use super::PostgresError;

/// What every Supabase project has before we come: roles, the auth schema, default grants.
pub const SUPABASE_SHIM: &str = include_str!("../../sql/supabase-shim.sql");
/// The tables of Supabase Storage, on which our policies stand.
pub const STORAGE_SHIM: &str = include_str!("../../sql/supabase-storage-shim.sql");
/// The schema of deployments older than this project, to be adopted.
pub(super) const DEPLOYED_SCHEMA: &str = include_str!("../../sql/deployed-schema.sql");
/// Where what only some deployments have begins.
const SECOND_PART: &str = "-- part 2";
/// Supabase's `postgres`, who applies migrations there and is no superuser.
const HOSTED_OWNER: &str = "hosted_postgres";

/// How a project was made, and what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectKind {
    /// New tables are granted to browsers by default, as in projects made before the middle of 2026.
    pub exposed: bool,
    pub deployed: Deployed,
}

/// Which of the two parts of the deployed schema are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deployed {
    #[default]
    Nothing,
    PartOne,
    Both,
}

impl ProjectKind {
    /// Makes the empty database at `url` look like a project of this kind. Its tables belong to the hosted owner.
    ///
    /// # Errors
    /// When the database cannot be reached, or a statement is refused.
    pub async fn lay(self, url: &str) -> Result<(), PostgresError> {
        let exposure = if self.exposed { "on" } else { "off" };
        let mut superuser = PgConnection::connect(url).await?;
        superuser.execute("set client_min_messages = error").await?;
        superuser.execute(AssertSqlSafe(format!("set shim.auto_expose = '{exposure}'"))).await?;
        superuser.execute(sqlx::raw_sql(SUPABASE_SHIM)).await?;
        superuser.execute(sqlx::raw_sql(STORAGE_SHIM)).await?;
        superuser.close().await?;

        let (one, two) = DEPLOYED_SCHEMA.split_once(SECOND_PART).expect("the file has two parts");
        let schema = match self.deployed {
            Deployed::Nothing => return Ok(()),
            Deployed::PartOne => one.to_owned(),
            Deployed::Both => format!("{one}--{two}"),
        };
        let mut owner = PgConnection::connect(&hosted_url(url)).await?;
        owner.execute(sqlx::raw_sql(AssertSqlSafe(schema))).await?;
        owner.close().await?;
        Ok(())
    }

    /// Tells the templates of different kinds apart; empty for the kind that most tests use.
    pub(super) fn suffix(self) -> &'static str {
        match (self.deployed, self.exposed) {
            (Deployed::Nothing, false) => "",
            (Deployed::Nothing, true) => "_exposed",
            (Deployed::PartOne, false) => "_part_one",
            (Deployed::PartOne, true) => "_part_one_exposed",
            (Deployed::Both, false) => "_deployed",
            (Deployed::Both, true) => "_deployed_exposed",
        }
    }
}

/// `url` with the hosted owner instead of its user.
pub fn hosted_url(url: &str) -> String {
    let mut url = Url::parse(url).expect("database URLs of this module are made by it");
    url.set_username(HOSTED_OWNER).expect("a postgres URL has a user");
    url.into()
}
