//! A Supabase project: Auth and Storage on one base URL. See the crate's documentation for the list of endpoints and faults.

mod auth;
mod control;
mod faults;
mod gateway;
mod handle;
mod storage;
mod tokens;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poem::middleware::Cors;
use poem::{EndpointExt, Route};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::auth::users::USERS_MAX;
use self::auth::users::{User, Users};
pub use self::faults::{StorageFault, SupabaseEffect, SupabaseFault};
pub use self::handle::SupabaseHandle;
pub use self::storage::ObjectView;
use self::tokens::Keys;
pub use self::tokens::{BadToken, SIGNING_KEYS_MAX, Signing};
use crate::fault::{Call, Operation, Script};
use crate::http_fault::HttpFault;
use crate::net::{Bound, Line, lock};
use crate::time::{SimClock, Time};

/// How the simulator is set up.
#[derive(Clone, Debug)]
pub struct SupabaseOptions {
    /// Where to listen; port 0 chooses a free one.
    pub bind: SocketAddr,
    /// How user tokens are signed.
    pub signing: Signing,
    /// The legacy secret: signs the API keys and storage's links, and user tokens with [`Signing::Hs256`].
    pub jwt_secret: String,
    /// The new form of the service key.
    pub secret_key: String,
    /// The new form of the anon key.
    pub publishable_key: String,
    /// Life of a user token.
    pub token_lifetime: Duration,
    /// Where users are kept, in `auth.users`, so that triggers on it run; without it in memory. The role of the URL must be
    /// able to write that table.
    pub database_url: Option<String>,
    /// Where objects are kept; without it in memory.
    pub storage_dir: Option<PathBuf>,
    /// The project's limit for one object.
    pub upload_bytes_max: usize,
    /// Who moves the clock.
    pub time: Time,
    /// What faults by rate are drawn from.
    pub seed: u64,
}

impl Default for SupabaseOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            signing: Signing::default(),
            jwt_secret: "simulated-jwt-secret-with-at-least-32-characters".to_owned(),
            secret_key: "sb_secret_simulated0000000000000_00000000".to_owned(),
            publishable_key: "sb_publishable_simulated00000000_00000000".to_owned(),
            token_lifetime: Duration::from_hours(1),
            database_url: None,
            storage_dir: None,
            upload_bytes_max: 50 * 1024 * 1024,
            time: Time::Running,
            seed: 1,
        }
    }
}

/// What the routes and the handle share.
struct Project {
    options: SupabaseOptions,
    base_url: String,
    line: Arc<Line>,
    clock: SimClock,
    keys: Keys,
    anon_key: String,
    service_key: String,
    users: Users,
    sessions: auth::Sessions,
    files: storage::Files,
    script: Mutex<Script<SupabaseEffect>>,
    requests: Mutex<BTreeMap<Operation, u64>>,
}

impl Project {
    fn issuer(&self) -> String {
        format!("{}/auth/v1", self.base_url)
    }

    fn token_lifetime(&self) -> i64 {
        i64::try_from(self.options.token_lifetime.as_secs()).unwrap_or(i64::MAX)
    }

    /// The claims of a good token of this user, valid from now, whether or not she has signed up.
    fn good_claims(&self, user_id: Uuid) -> Value {
        let user = User {
            id: user_id,
            email: Some(format!("{user_id}@example.com")),
            password: None,
            metadata: json!({}),
            is_anonymous: false,
            created_at: self.clock.date(),
        };
        user.claims(&self.issuer(), Uuid::new_v4(), self.clock.unix(), self.token_lifetime())
    }

    /// Counts a request and takes its faults.
    fn take_faults(&self, operation: Operation, subject: &str) -> (Vec<HttpFault>, Option<StorageFault>) {
        *lock(&self.requests).entry(operation).or_default() += 1;
        let of_auth = matches!(
            operation,
            Operation::Signup | Operation::Token | Operation::User | Operation::Logout | Operation::Jwks
        );
        let call = Call { operation, subject, input: None };
        let wanted = |effect: &SupabaseEffect| !(of_auth && matches!(effect, SupabaseEffect::Storage(_)));
        let (mut http, mut storage) = (Vec::new(), None);
        for effect in lock(&self.script).take(&call, wanted) {
            match effect {
                SupabaseEffect::Http(fault) => http.push(fault),
                SupabaseEffect::Storage(fault) => storage = Some(fault),
            }
        }
        (http, storage)
    }
}

/// The simulator of a Supabase project.
#[derive(Debug)]
pub struct SupabaseSim;

impl SupabaseSim {
    /// Binds at once and serves until the handle is dropped. To be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, the directory not read, or the database URL is none.
    pub fn start(options: SupabaseOptions) -> io::Result<SupabaseHandle> {
        let bound = Bound::bind(options.bind)?;
        let clock = SimClock::new(options.time);
        let keys = Keys::new(options.jwt_secret.clone(), options.signing);
        let api_key = |role: &str| keys.sign_with_secret(&tokens::api_key_claims(role));
        let project = Arc::new(Project {
            base_url: bound.base_url(),
            line: bound.line(),
            anon_key: api_key("anon"),
            service_key: api_key("service_role"),
            users: auth::users(options.database_url.as_deref())?,
            sessions: auth::Sessions::default(),
            files: storage::Files::open(options.storage_dir.as_deref())?,
            script: Mutex::new(Script::new(options.seed)),
            requests: Mutex::default(),
            clock,
            keys,
            options,
        });
        let routes = Route::new()
            .at("/auth/v1/*path", auth::serve)
            .at("/storage/v1/*path", storage::serve)
            .nest_no_strip("/_sim", control::routes())
            // Browsers talk to a project directly.
            .with(Cors::new().expose_header(auth::API_VERSION))
            .data(Arc::clone(&project));
        let running = bound.serve("supabase simulator", routes);
        Ok(SupabaseHandle::new(project, running))
    }
}
