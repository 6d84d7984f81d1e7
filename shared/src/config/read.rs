//! Which settings there are, with their defaults: one reader for each part of [`Config`].

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::Reader;
use super::{ApiLimits, Billing, Config, Database, Mail, Process, Storage, StorageBackend, Supabase, Tls, Traces};
use super::{endpoints, rules, secret};
use crate::ledger::Thresholds;
use crate::retention::Settings as Retention;

/// What the secrets of links that stop mails are derived for.
const UNSUBSCRIBE_LABEL: &str = "shootx unsubscribe links v1";

impl Config {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let api_bind = reader.parsed("API_BIND", "an address such as 127.0.0.1:8080", rules::API_BIND, rules::address);
        let public_url = reader.required_url("PUBLIC_URL", rules::ORIGIN, rules::origin);
        let webhook_secrets = secret::list(reader, "WEBHOOK_SECRET");
        let webhooks_enabled = reader.parsed("WEBHOOKS", "on or off", "on", rules::switch);
        let runpod = endpoints::runpod(reader);
        let storage = Storage::read(reader, webhook_secrets.first());
        let unsubscribe_secrets: Vec<SecretString> =
            webhook_secrets.iter().map(|secret| secret::derived(Some(secret), UNSUBSCRIBE_LABEL)).collect();
        let mail = Mail::read(reader, &unsubscribe_secrets);
        let mut config = Self {
            database: Database::read(reader),
            public_url,
            webhook_secrets,
            webhooks_enabled,
            supabase: Supabase::read(reader),
            runpod,
            storage,
            api_bind,
            stop_notice: Duration::from_secs(reader.parsed(
                "STOP_NOTICE_SECONDS",
                "a number from 0 to 10",
                "5",
                |text| rules::between(text, 0, 10),
            )),
            metrics_bind: reader.parsed(
                "METRICS_BIND",
                "an address such as 127.0.0.1:9100",
                reader.metrics_bind(),
                rules::address,
            ),
            worker_concurrency: reader
                .parsed("WORKER_CONCURRENCY", "a number from 1 to 256", "16", |text| rules::between(text, 1, 256)),
            picture_memory_mb: reader.parsed(
                "PICTURE_MEMORY_MB",
                "a number of megabytes from 50 to 100000",
                reader.picture_memory(),
                |text| rules::between(text, 50, 100_000),
            ),
            cors_origins: reader.parsed(
                "CORS_ORIGINS",
                "origins such as https://app.example.com, separated by commas",
                "",
                rules::origins,
            ),
            tls: Tls::read(reader),
            log_format: reader.parsed("LOG_FORMAT", "json or pretty", "json", rules::log_format),
            limits: ApiLimits::read(reader),
            billing: Billing::read(reader),
            anomalies: Thresholds::read(reader),
            traces: Traces::read(reader),
            retention: Retention::read(reader),
            mail,
            unsubscribe_secrets,
            warnings: Vec::new(),
        };
        config.warnings = rules::warnings(&config);
        config
    }
}

impl Database {
    fn read(reader: &mut Reader<'_>) -> Self {
        let owner = reader.optional("MIGRATION_DATABASE_URL");
        let service = match (reader.process(), owner.is_some()) {
            (Process::Migrate, true) => reader.optional("DATABASE_URL"),
            (Process::Migrate, false) => reader.required_always("DATABASE_URL"),
            (Process::Api | Process::Worker, _) => reader.required("DATABASE_URL"),
        };
        for (name, url) in [("MIGRATION_DATABASE_URL", &owner), ("DATABASE_URL", &service)] {
            if let Some(problem) = url.as_deref().and_then(rules::database_problem) {
                reader.problem(name, problem);
            }
        }
        let chosen = if reader.process() == Process::Migrate { owner.or(service) } else { service };
        Self {
            url: SecretString::from(chosen.unwrap_or_default()),
            pool_max: reader
                .parsed("DATABASE_POOL_MAX", "a number from 2 to 200", "10", |text| rules::between(text, 2, 200)),
            silence_max: Duration::from_secs(reader.parsed(
                "DATABASE_SILENCE_SECONDS",
                "a number from 1 to 20",
                "15",
                |text| rules::between(text, 1, 20),
            )),
        }
    }
}

impl Supabase {
    fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader.required_url("SUPABASE_URL", rules::ORIGIN, rules::origin);
        let issuer_default = format!("{}/auth/v1", url.as_str().trim_end_matches('/'));
        Self {
            service_key: reader.required("SUPABASE_SERVICE_KEY").unwrap_or_default().into(),
            jwt_secret: secret::optional(reader, "SUPABASE_JWT_SECRET"),
            jwt_issuer: reader.optional("SUPABASE_JWT_ISSUER").unwrap_or(issuer_default),
            url,
        }
    }
}

impl Storage {
    fn read(reader: &mut Reader<'_>, webhook_secret: Option<&SecretString>) -> Self {
        let backend = reader.parsed("STORAGE_BACKEND", "supabase or local", "supabase", rules::storage_backend);
        let dir = reader.optional("STORAGE_DIR").map(PathBuf::from);
        if backend == StorageBackend::Local && dir.is_none() {
            reader.problem("STORAGE_DIR", "is needed by STORAGE_BACKEND=local");
        }
        Self {
            backend,
            bucket: reader.parsed("STORAGE_BUCKET", "1 to 63 of a-z, 0-9, '-', '_', '.'", rules::BUCKET, rules::bucket),
            dir,
            link_secret: secret::derived(webhook_secret, "shootx local storage links v1"),
        }
    }
}

impl Tls {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (cert, key) = (reader.optional("TLS_CERT"), reader.optional("TLS_KEY"));
        match (&cert, &key) {
            (Some(_), None) => reader.problem("TLS_KEY", "is needed by TLS_CERT"),
            (None, Some(_)) => reader.problem("TLS_CERT", "is needed by TLS_KEY"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        Some(Self { cert: cert?.into(), key: key?.into() })
    }
}
