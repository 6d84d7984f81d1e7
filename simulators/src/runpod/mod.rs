//! RunPod's hosted API, with workers built in. See the crate's documentation for the list of endpoints and faults.

mod answers;
mod comfy;
mod control;
mod deliver;
mod draw;
mod engine;
mod faults;
mod forms;
mod job;
mod limits;
mod options;
mod output;
mod pillow;
mod plan;
mod product;
mod routes;
mod spoil;
mod submit;
mod work;
mod worker_side;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use self::engine::Engine;
pub use self::engine::{Counts, JOBS_MAX, RETENTION, SYNC_RETENTION};
pub use self::faults::{ErrorForm, ImageForm, JobFault, RunPodEffect, RunPodFault, Spoil};
pub use self::job::{JobView, WebhookView};
pub use self::options::RunPodOptions;
pub use self::output::{DRAWN_BYTES_MAX, FOREIGN_HOST, PICTURES_MAX, RESULT_BYTES_MAX, SYNC_RESULT_BYTES_MAX};
use self::output::{Recipe, Shelf};
use self::plan::Ending;
pub use self::product::{INPUT_PIXELS_MAX, INPUT_SIDE_MIN, LIKE_INPUT_PIXELS_MAX};
pub use self::spoil::{MANY_BYTES, MANY_PIXELS_SIDE};
pub use self::worker_side::{PODS_MAX, PodView};
use crate::net::{Bound, Line, Running, lock};
use crate::time::SimClock;

/// What the routes, the driver and the handle share.
struct Platform {
    options: RunPodOptions,
    base_url: String,
    line: Arc<Line>,
    clock: SimClock,
    engine: Mutex<Engine>,
    http: reqwest::Client,
    shelf: Mutex<Shelf>,
    comfy: comfy::Workers,
    /// Rings when the agenda or the outbox may have changed.
    driver: Notify,
    /// Changes with every step of the engine, for those who wait for a job.
    steps: watch::Sender<u64>,
}

impl Platform {
    /// Does all that is due, then `work`, then what that made due.
    fn with<R>(&self, work: impl FnOnce(&mut Engine, Duration) -> R) -> R {
        let done = {
            let mut engine = lock(&self.engine);
            let now = self.clock.now();
            engine.tick(now);
            let done = work(&mut engine, now);
            engine.tick(now);
            done
        };
        self.driver.notify_one();
        self.steps.send_modify(|steps| *steps += 1);
        done
    }
}

/// The simulator of RunPod.
#[derive(Debug)]
pub struct RunPodSim;

impl RunPodSim {
    /// Binds at once and serves until the handle is dropped. To be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the client for webhooks cannot be made.
    pub fn start(options: RunPodOptions) -> io::Result<RunPodHandle> {
        let bound = Bound::bind(options.bind)?;
        let http = reqwest::Client::builder()
            .timeout(options.webhook_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A webhook may go to a machine's own certificate; and no roots to load make a start 30 ms faster.
            .danger_accept_invalid_certs(true)
            .build()
            .map_err(io::Error::other)?;
        let engine = Engine::new(&options);
        let platform = Arc::new(Platform {
            base_url: bound.base_url(),
            line: bound.line(),
            clock: SimClock::new(options.time),
            engine: Mutex::new(engine),
            http,
            shelf: Mutex::default(),
            comfy: comfy::Workers::default(),
            driver: Notify::new(),
            steps: watch::Sender::new(0),
            options,
        });
        tokio::spawn(deliver::drive(Arc::clone(&platform), bound.stop()));
        let running = bound.serve("runpod simulator", routes::routes(Arc::clone(&platform)));
        Ok(RunPodHandle { platform, running })
    }
}

/// A running simulator; it stops when this is dropped.
pub struct RunPodHandle {
    platform: Arc<Platform>,
    running: Running,
}

impl RunPodHandle {
    /// The base URL of jobs, as `RUNPOD_API_URL` takes it: `http://127.0.0.1:<port>/v2`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/v2", self.running.base_url())
    }

    /// The root: pictures by URL and `/_sim` lie under it.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.running.base_url()
    }

    /// The key that is accepted.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.platform.options.api_key
    }

    /// The key that attached workers send.
    #[must_use]
    pub fn worker_key(&self) -> &str {
        &self.platform.options.worker_key
    }

    /// Adds a fault for calls to come.
    ///
    /// # Panics
    ///
    /// With [`crate::FAULTS_MAX`] live faults, which is an error in the test.
    pub fn script(&self, fault: impl Into<RunPodFault>) {
        let fault = fault.into();
        assert!(self.platform.with(|engine, _| engine.script.add(fault)), "too many faults are scripted");
    }

    /// Removes all faults. Jobs made under one keep it.
    pub fn clear_faults(&self) {
        self.platform.with(|engine, _| engine.script.clear());
    }

    /// All jobs that were made, oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobView> {
        self.platform.with(|engine, _| engine.jobs().map(job::Job::view).collect())
    }

    /// One job.
    #[must_use]
    pub fn job(&self, id: &str) -> Option<JobView> {
        self.platform.with(|engine, _| engine.job(id).map(job::Job::view))
    }

    /// The attached workers that ever called.
    #[must_use]
    pub fn pods(&self) -> Vec<PodView> {
        self.platform.with(|engine, now| engine.pods.views(now))
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.platform.with(|engine, _| engine.counts.clone())
    }

    /// Ends a job now, as planned for it; false if there is none or it has ended.
    pub fn complete(&self, id: &str) -> bool {
        self.platform.complete(id)
    }

    /// Ends a job now as FAILED with this error; false if there is none or it has ended.
    pub fn fail(&self, id: &str, error: &str) -> bool {
        self.platform.fail(id, error)
    }

    /// Moves the clock; all that becomes due happens at once, each at its own time.
    pub fn advance(&self, by: Duration) {
        self.platform.clock.advance(by);
        self.platform.with(|_, _| ());
    }

    /// Stops listening and breaks every connection: clients are refused until [`RunPodHandle::go_online`].
    pub async fn go_offline(&self) {
        self.running.line().go_offline().await;
    }

    /// Listens again, on the same address.
    pub async fn go_online(&self) {
        self.running.line().go_online().await;
    }
}

impl Platform {
    /// Runs what may draw pictures, off the threads that serve, and keeps what was drawn within bounds.
    async fn draw<R: Send + 'static>(
        &self,
        recipe: &Arc<Recipe>,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let done = tokio::task::spawn_blocking(work).await.ok();
        lock(&self.shelf).put(recipe);
        done
    }

    fn complete(&self, id: &str) -> bool {
        self.with(|engine, now| {
            let Some(job) = engine.job_mut(id) else { return false };
            // A job that waits is given a worker first, so that its times make sense.
            job.started.get_or_insert(now);
            let ending = Ending::of(&job.recipe.plan, &job.recipe.work);
            engine.end(id, ending, now)
        })
    }
}
