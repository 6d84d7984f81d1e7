//! One private server: its directory, its process, its end.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::PostgresError;
use super::binaries::Binaries;
use super::server_user::ServerUser;

/// Free ports tried before giving up: another program may take one between our look and the server's start.
const PORT_TRIES: u32 = 5;
/// Seconds a start or a stop may take.
const PATIENCE_SECONDS: &str = "60";
/// How much of the server's log is searched for its reason not to start.
const LOG_TAIL_BYTES: u64 = 2_000;
/// Directories of test runs: the rest of the name is the number of the process they belong to.
const TEMPORARY_PREFIX: &str = "shootx-postgres-of-";

/// What a server is for: it decides what a power cut may lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is worth keeping: no write waits for the disk.
    Tests,
    /// Rows survive a crash.
    Run,
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    user: ServerUser,
    dir: PathBuf,
    purpose: Purpose,
    port: u16,
    leave_running: bool,
    temporary: bool,
}

impl Cluster {
    /// Starts the server whose files are in `dir`, making them first if need be. One that runs there already is taken over.
    ///
    /// As root the server runs as another user; if that user cannot reach `dir`, a directory for it is chosen under the
    /// system's temporary one.
    ///
    /// # Errors
    /// Says in one line what is missing: no Postgres, no reachable directory, or what the server itself answered.
    pub fn start(dir: &Path, purpose: Purpose) -> Result<Self, PostgresError> {
        let binaries = Binaries::find_or_install()?;
        let user = ServerUser::choose()?;
        let dir = reachable(user, dir)?;
        let mut cluster = Self { binaries, user, dir, purpose, port: 0, leave_running: true, temporary: false };
        cluster.initialise()?;
        match cluster.serving() {
            Some(port) => cluster.port = port,
            None => cluster.launch()?,
        }
        cluster.leave_running = false;
        Ok(cluster)
    }

    /// A server for one run of tests or measurements, in a directory that goes with it.
    ///
    /// Directories of earlier runs that were killed are stopped and removed first.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn temporary(purpose: Purpose) -> Result<Self, PostgresError> {
        Self::temporary_at(&format!("{TEMPORARY_PREFIX}{}", std::process::id()), purpose)
    }

    /// One more in the same run.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn another_temporary(purpose: Purpose, number: u32) -> Result<Self, PostgresError> {
        Self::temporary_at(&format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id()), purpose)
    }

    fn temporary_at(name: &str, purpose: Purpose) -> Result<Self, PostgresError> {
        let root = std::env::temp_dir();
        let mut cluster = Self::start(&root.join(name), purpose)?;
        cluster.temporary = true;
        cluster.sweep(&root);
        Ok(cluster)
    }

    /// Ends the servers of test runs whose process is gone.
    fn sweep(&self, root: &Path) {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY_PREFIX)) else { continue };
            let pid = rest.split('-').next().unwrap_or(rest);
            // The shell's own `kill`: a minimal system has no program of that name.
            let alive = Command::new("sh").args(["-c", "kill -0 \"$0\"", pid]).stderr(Stdio::null()).status();
            if entry.path() == self.dir || alive.is_ok_and(|status| status.success()) {
                continue;
            }
            let mut stop = self.binaries.command(self.user, "pg_ctl");
            let _ = stop.args(["stop", "-s", "-m", "immediate", "-D"]).arg(entry.path().join("data")).output();
            let _ = fs::remove_dir_all(entry.path());
        }
    }

    /// Lets the server go on when this value is dropped.
    pub fn leave_running(&mut self) {
        self.leave_running = true;
    }

    /// The port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of the server's first process, whose children all others are.
    pub fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }

    /// One of the programs that came with the server, if its package has it.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.binaries.path(name)
    }

    /// Where its files really are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The URL by which the superuser reaches `database`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Makes the data directory, unless it is there. A crash half-way leaves none.
    fn initialise(&self) -> Result<(), PostgresError> {
        let data = self.data();
        if let Ok(found) = fs::read_to_string(data.join("PG_VERSION")) {
            if found.trim() == self.binaries.major.to_string() {
                return Ok(());
            }
            if self.purpose == Purpose::Run {
                let (dir, found) = (self.dir.clone(), found.trim().to_owned());
                return Err(PostgresError::OtherVersion { dir, found, installed: self.binaries.major });
            }
            fs::remove_dir_all(&data).map_err(PostgresError::file(&data))?;
        }
        let fresh = self.dir.join("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(PostgresError::file(&fresh))?;
        }
        let mut initdb = self.binaries.command(self.user, "initdb");
        initdb.arg("-D").arg(&fresh).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        succeed(&mut initdb)?;
        fs::rename(&fresh, &data).map_err(PostgresError::file(&data))
    }

    /// The port of a server that runs on these files and answers. What a dead one left behind is removed.
    fn serving(&self) -> Option<u16> {
        let pid_file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&pid_file).ok()?;
        let port = text.lines().nth(3).and_then(|line| line.trim().parse().ok());
        let running = self.pg_ctl("status").output().is_ok_and(|output| output.status.success());
        let answering = port.is_some_and(|port| {
            TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1)).is_ok()
        });
        if running && answering {
            return port;
        }
        // The number in a stale file may belong to another process by now, and would keep the server from starting.
        let _ = fs::remove_file(&pid_file);
        None
    }

    fn launch(&mut self) -> Result<(), PostgresError> {
        let mut last = None;
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            let mut start = self.pg_ctl("start");
            start.arg("-w").arg("-l").arg(self.log()).arg("-o").arg(self.options(port));
            // The server keeps what it inherits open: a pipe of ours would never end.
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let started = start.status().map_err(PostgresError::file("pg_ctl"))?;
            if started.success() {
                self.port = port;
                return Ok(());
            }
            last =
                Some(PostgresError::Command { program: "the database server".into(), detail: last_words(&self.log()) });
        }
        Err(last.expect("at least one port was tried"))
    }

    fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    fn options(&self, port: u16) -> String {
        let durability = match self.purpose {
            Purpose::Tests => "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=400",
            Purpose::Run => "-c max_connections=200",
        };
        format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c wal_level=logical \
             -c shared_buffers=128MB -c timezone=UTC {durability}"
        )
    }

    fn pg_ctl(&self, verb: &str) -> Command {
        let mut command = self.binaries.command(self.user, "pg_ctl");
        command.arg(verb).arg("-D").arg(self.data()).args(["-t", PATIENCE_SECONDS, "-s"]);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.leave_running {
            return;
        }
        let mode = if self.purpose == Purpose::Tests { "immediate" } else { "fast" };
        if let Err(error) = succeed(self.pg_ctl("stop").args(["-w", "-m", mode])) {
            eprintln!("the database server in {} was not stopped: {error}", self.dir.display());
        }
        if self.temporary {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// `wanted`, or a directory of the same purpose that the server's user can reach.
fn reachable(user: ServerUser, wanted: &Path) -> Result<PathBuf, PostgresError> {
    let wanted = std::path::absolute(wanted).map_err(PostgresError::file(wanted))?;
    if user.make_dir(&wanted)? {
        return Ok(wanted);
    }
    let name: String =
        wanted.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let other = std::env::temp_dir().join(format!("shootx{name}"));
    if user.make_dir(&other)? { Ok(other) } else { Err(PostgresError::Unreachable) }
}

fn free_port() -> Result<u16, PostgresError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(PostgresError::file("a free port"))?;
    Ok(listener.local_addr().map_err(PostgresError::file("a free port"))?.port())
}

fn succeed(command: &mut Command) -> Result<(), PostgresError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(PostgresError::file(&program))?;
    if output.status.success() {
        return Ok(());
    }
    let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PostgresError::Command { program, detail })
}

/// The server's last word on why it does not start, and where the rest is.
fn last_words(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(log)?;
        let start = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let fatal = text.lines().rfind(|line| line.contains("FATAL:")).or(text.lines().last()).unwrap_or("it wrote no log");
    format!("{fatal} (see {})", log.display())
}
