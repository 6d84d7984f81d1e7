//! Databases as this project may find them: the two grant modes, a superuser or the hosted owner, empty or deployed.

pub(crate) use devstack::postgres::Deployed;
use devstack::postgres::{ProjectKind, TestDatabase, hosted_url};

/// Made before and after new tables stopped being granted to browsers, empty and deployed.
pub(crate) const KINDS: [ProjectKind; 4] = [
    ProjectKind { exposed: false, deployed: Deployed::Nothing },
    ProjectKind { exposed: true, deployed: Deployed::Nothing },
    ProjectKind { exposed: false, deployed: Deployed::Both },
    ProjectKind { exposed: true, deployed: Deployed::Both },
];
/// A database that looks like a Supabase project, before any migration.
pub(crate) struct Project {
    pub(crate) database: TestDatabase,
    owner: Owner,
}

/// Who applies migrations.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    Superuser,
    /// Supabase's `postgres`: no superuser.
    Hosted,
}

impl Project {
    /// `exposed`: new tables are granted to browsers by default, as in projects made before the middle of 2026.
    pub(crate) async fn new(exposed: bool, owner: Owner, deployed: Deployed) -> Self {
        let database = TestDatabase::empty().await;
        ProjectKind { exposed, deployed }.lay(&database.url()).await.unwrap();
        Self { database, owner }
    }

    pub(crate) fn owner_url(&self) -> String {
        match self.owner {
            Owner::Superuser => self.database.url(),
            Owner::Hosted => hosted_url(&self.database.url()),
        }
    }

    /// Applies our migrations as the owner and returns what was applied.
    pub(crate) async fn migrate(&self) -> Vec<String> {
        shared::db::migrate(&self.owner_url()).await.unwrap().applied
    }
}
