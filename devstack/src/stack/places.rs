//! Directories, programs and ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The API's metrics; the workers' follow.
const METRICS_PORT: u16 = 9100;
/// Where the Supabase command line tool puts a project, too.
const SUPABASE_PORT: u16 = 54321;
const RUNPOD_PORT: u16 = 8090;
const PAYMENTS_PORT: u16 = 8892;

/// The checkout's directory for everything that is not committed.
pub fn local() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir).join(".local")
}

/// A directory below [`local`], made if need be.
///
/// # Errors
/// When it cannot be made.
pub fn local_dir(name: &str) -> anyhow::Result<PathBuf> {
    let dir = local().join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    Ok(dir)
}

/// One of our programs: cargo puts it beside this one.
pub(super) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the own program cannot be found")?;
    let beside = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    beside.with_context(|| format!("{name} is not built: run `make build`"))
}

/// Where `count` processes serve their metrics: side by side from the usual port if they stay up, else on any free ones.
pub(super) fn metrics_binds(count: u16, usual: bool) -> anyhow::Result<Vec<SocketAddr>> {
    if !usual {
        // All are held until the last is chosen, so that none is chosen twice.
        let held: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
        let addresses = held.context("no port is free")?.iter().map(TcpListener::local_addr).collect::<Result<_, _>>();
        return addresses.context("no port is free");
    }
    let binds: Vec<_> =
        (0..count).map(|number| SocketAddr::from((Ipv4Addr::LOCALHOST, METRICS_PORT + number))).collect();
    binds.iter().try_for_each(|bind| require_free("metrics", *bind))?;
    Ok(binds)
}

/// Where each simulator listens.
pub(super) struct SimulatorBinds {
    pub(super) runpod: SocketAddr,
    pub(super) supabase: SocketAddr,
    pub(super) payments: SocketAddr,
}

/// Where the simulators listen: on their usual ports if these stay up, else on any that is free.
pub(super) fn simulator_binds(usual: bool) -> anyhow::Result<SimulatorBinds> {
    let at = |what, port| {
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, if usual { port } else { 0 }));
        require_free(what, bind).map(|()| bind)
    };
    Ok(SimulatorBinds {
        runpod: at("the RunPod simulator", RUNPOD_PORT)?,
        supabase: at("the Supabase simulator", SUPABASE_PORT)?,
        payments: at("the payment simulator", PAYMENTS_PORT)?,
    })
}

/// Fails in one line when somebody else listens on `bind`.
pub(super) fn require_free(what: &str, bind: SocketAddr) -> anyhow::Result<()> {
    match TcpListener::bind(bind) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let way_out = if what == "API_BIND" { ", or set API_BIND to another address" } else { "" };
            bail!("port {} is in use ({what}): stop what listens there{way_out}; `make stop` stops ours", bind.port())
        }
        Err(error) => bail!("{bind} cannot be listened on ({what}): {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_one_clear_line() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let bind = taken.local_addr().expect("a bound address");
        let line = require_free("API_BIND", bind).expect_err("it is taken").to_string();
        assert!(line.contains(&bind.port().to_string()) && line.contains("API_BIND"), "{line}");
        assert_eq!(line.lines().count(), 1);
        drop(taken);
        assert!(require_free("API_BIND", bind).is_ok());
    }
}
