//! Backup, restore and what comes after, with the real scripts on real databases. Each test has more than one thread: its
//! simulators answer while it waits for a script.

mod after_restore;
mod objects;
mod same_project;
mod scripts;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use devstack::postgres::{ProjectKind, TestDatabase};
use devstack::test_stack::{TestStack, TestUser};
use simulators::{RunPodOptions, SupabaseOptions, Time};
use tempfile::TempDir;
use uuid::Uuid;

use crate::operations::Ran;

/// A stack whose RunPod finishes only what it is told to, and whose store outlives it.
struct World {
    stack: TestStack,
    user: TestUser,
    dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runpod = RunPodOptions {
            generation_time: std::time::Duration::from_hours(1),
            picture_size: (96, 64),
            workers: 100,
            time: Time::Manual,
            ..RunPodOptions::default()
        };
        let stack = TestStack::builder().runpod(runpod).supabase(store(dir.path())).start().await;
        devstack::shop::stock(stack.database.pool()).await.unwrap();
        let user = stack.user().await;
        Self { stack, user, dir }
    }

    /// A backup of now, by the script.
    fn back_up(&self) -> PathBuf {
        let backups = self.dir.path().join("backups");
        let ran = script("backup", &self.stack.database.url(), &[], &["--into", backups.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}", ran.complained);
        PathBuf::from(ran.said.trim())
    }

    /// Everything but the store, RunPod and the payments is lost; the backup is restored into a new project.
    async fn restored_from(self, backup: &Path) -> Self {
        let Self { stack, user, dir } = self;
        let fresh = TestDatabase::empty().await;
        ProjectKind::default().lay(&fresh.url()).await.unwrap();
        let ran = restore(&stack, &fresh, backup, &[]);
        assert_eq!(ran.code, 0, "{}{}", ran.said, ran.complained);
        let stack = stack.moved_to(fresh, store(dir.path())).await;
        let user = stack.sign_in_again(&user).await;
        Self { stack, user, dir }
    }

    async fn stage(&self, id: Uuid) -> String {
        let answer = self.user.status(id).await.unwrap().expecting(200);
        answer.body["stage"].as_str().unwrap().to_owned()
    }
}

fn store(dir: &Path) -> SupabaseOptions {
    SupabaseOptions { storage_dir: Some(dir.join("storage")), ..SupabaseOptions::default() }
}

/// Restores with the settings of the stack's worker on `database`, as its superuser.
fn restore(stack: &TestStack, database: &TestDatabase, backup: &Path, arguments: &[&str]) -> Ran {
    let mut settings: Vec<_> = stack.worker_environment.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    settings.push(("DATABASE_URL", database.worker_url()));
    let arguments: Vec<_> = [backup.to_str().unwrap()].into_iter().chain(arguments.iter().copied()).collect();
    script("restore", &database.url(), &settings, &arguments)
}

/// Runs one of our scripts on the database that `owner_url` owns.
fn script(name: &str, owner_url: &str, settings: &[(&str, String)], arguments: &[&str]) -> Ran {
    let worker = Path::new(env!("CARGO_BIN_EXE_shootx-worker"));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let mut command = Command::new(scripts.join(name));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(settings.iter().cloned());
    command.env("SHOOTX_BIN", worker.parent().unwrap()).env("MIGRATION_DATABASE_URL", owner_url);
    let Output { status, stdout, stderr } = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), said: text(stdout), complained: text(stderr) }
}
