//! Databases as this project may find them: the two grant modes, a superuser or the hosted owner, empty or deployed.

use devstack::postgres::{DEPLOYED_SCHEMA, STORAGE_SHIM, SUPABASE_SHIM, TestDatabase};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// A database that looks like a Supabase project, before any migration.
pub(crate) struct Project {
    pub(crate) database: TestDatabase,
    owner: &'static str,
}

/// Who applies migrations.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    Superuser,
    /// Supabase's `postgres`: no superuser.
    Hosted,
}

/// Which of the two parts of the deployed schema are there already.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deployed {
    Nothing,
    PartOne,
    Both,
}

impl Project {
    /// `exposed`: new tables are granted to browsers by default, as in projects made before the middle of 2026.
    pub(crate) async fn new(exposed: bool, owner: Owner, deployed: Deployed) -> Self {
        let database = TestDatabase::empty().await;
        let mut superuser = PgConnection::connect(&database.url()).await.unwrap();
        let exposure = if exposed { "on" } else { "off" };
        superuser.execute("set client_min_messages = error").await.unwrap();
        superuser.execute(AssertSqlSafe(format!("set shim.auto_expose = '{exposure}'"))).await.unwrap();
        superuser.execute(sqlx::raw_sql(SUPABASE_SHIM)).await.unwrap();
        superuser.execute(sqlx::raw_sql(STORAGE_SHIM)).await.unwrap();
        superuser.close().await.unwrap();

        let owner = match owner {
            Owner::Superuser => "postgres",
            Owner::Hosted => "hosted_postgres",
        };
        let project = Self { database, owner };
        let (one, two) = DEPLOYED_SCHEMA.split_once("-- part 2").unwrap();
        let schema = match deployed {
            Deployed::Nothing => String::new(),
            Deployed::PartOne => one.to_owned(),
            Deployed::Both => format!("{one}--{two}"),
        };
        let mut connection = PgConnection::connect(&project.owner_url()).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(schema))).await.unwrap();
        connection.close().await.unwrap();
        project
    }

    pub(crate) fn owner_url(&self) -> String {
        self.database.url().replace("//postgres@", &format!("//{}@", self.owner))
    }

    /// Applies our migrations as the owner and returns what was applied.
    pub(crate) async fn migrate(&self) -> Vec<String> {
        shared::db::migrate(&self.owner_url()).await.unwrap().applied
    }
}
