//! The same system after its database was lost: on a fresh server, from a backup, in a world that has gone on.

use std::process::Output;

use anyhow::{Context, ensure};
use tokio::process::Command;

use super::database::Database;
use super::{Stack, places};

impl Stack {
    /// Kills every process, and the database with them, all at once. A fresh server takes its place, with a new Supabase
    /// project and nothing of ours in it; the stored pictures, RunPod and the payments are as they were.
    ///
    /// # Errors
    /// When anything of this stack is not its own, or the new server does not start.
    pub async fn lose_database(&mut self) -> anyhow::Result<()> {
        ensure!(self.owns_time(), "a real service takes part, which is not to be lost");
        self.children.clear();
        let lost = std::mem::replace(&mut self.database, Database::fresh().await?);
        self.pool.close().await;
        lost.stop().await;
        self.pool = self.database.pool.clone();
        self.auth = self.stand_ins.begin_project(&self.database).await?;
        for (name, value) in &mut self.services.common {
            if let Some((_, changed)) = self.stand_ins.settings.iter().find(|(changed, _)| changed == name) {
                value.clone_from(changed);
            }
        }
        Ok(())
    }

    /// Starts the API and the workers again.
    ///
    /// # Errors
    /// What a process says that ends at once.
    pub async fn start_services(&mut self) -> anyhow::Result<()> {
        self.children = self.services.start(&self.database).await?;
        Ok(())
    }

    /// Runs `shootx-worker` with `arguments`, as an operator does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn operate(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(places::program("shootx-worker")?);
        command.envs(self.database.worker_settings(self.services.common.clone())).args(arguments);
        command.output().await.context("shootx-worker cannot be started")
    }

    /// Runs a script of the checkout with `arguments`, as the database's owner.
    ///
    /// # Errors
    /// When it cannot be started, or what it complains of.
    pub async fn script(&self, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let programs = places::program("shootx-worker")?;
        let path = places::local().with_file_name("scripts").join(name);
        let mut command = Command::new(&path);
        command.envs(self.database.worker_settings(self.services.common.clone())).args(arguments);
        command.env("MIGRATION_DATABASE_URL", &self.database.owner_url);
        command.env("SHOOTX_BIN", programs.parent().context("programs are in a directory")?);
        let Output { status, stdout, stderr } =
            command.output().await.with_context(|| format!("{} cannot be started", path.display()))?;
        ensure!(status.success(), "{}", String::from_utf8_lossy(&stderr).trim());
        Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
    }
}
