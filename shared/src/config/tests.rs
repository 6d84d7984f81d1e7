//! Settings as a whole: what is needed, what is refused, and that `deploy/env.template` is the list of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use devstack::attack::{self, Target};
use secrecy::ExposeSecret;

use super::{Config, ConfigErrors, LogFormat, Process, StorageBackend};
use crate::telemetry::LOG_FILTER_VARIABLE;
use crate::workflow::{Dialect, WorkflowType};

const SECRET: &str = "a secret that nobody should ever see in a message";
const TEMPLATE: &str = include_str!("../../../deploy/env.template");

/// The least that a worker starts with.
fn least() -> BTreeMap<String, String> {
    [
        ("DATABASE_URL", "postgres://shootx:pw@db.example.com:5432/postgres"),
        ("PUBLIC_URL", "https://api.example.com"),
        ("WEBHOOK_SECRET", SECRET),
        ("SUPABASE_URL", "https://abc.supabase.co"),
        ("SUPABASE_SERVICE_KEY", "sb_secret_0123456789"),
        ("RUNPOD_API_KEY", "rpa_0123456789"),
        ("COMFYUI_ENDPOINT_ID", "abc123"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn read(process: Process, changes: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut vars = least();
    vars.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::from_vars(process, &|name| vars.get(name).cloned())
}

fn problems(changes: &[(&str, &str)]) -> String {
    read(Process::Worker, changes).expect_err("the settings are wrong").to_string()
}

#[test]
fn the_least_is_enough_and_the_rest_has_its_defaults() {
    let config = read(Process::Worker, &[]).expect("complete settings");
    assert_eq!(config.api_bind.to_string(), "127.0.0.1:8080");
    assert_eq!(config.metrics_bind.to_string(), "127.0.0.1:9101");
    assert_eq!(config.storage.backend, StorageBackend::Supabase);
    assert_eq!(config.storage.bucket, "shootx-images");
    assert_eq!(config.runpod.api_url.as_str(), "https://api.runpod.ai/v2");
    assert_eq!(config.supabase.jwt_issuer, "https://abc.supabase.co/auth/v1");
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!((config.limits.generations.per_minute, config.webhooks_enabled), (60, true));
    assert!(config.limits.trusted_proxies.is_empty());
    assert!(config.tls.is_none() && config.cors_origins.is_empty() && config.warnings.is_empty());
    let api = read(Process::Api, &[]).expect("complete settings");
    assert_eq!(api.metrics_bind.to_string(), "127.0.0.1:9100");
}

#[test]
fn everything_missing_is_listed_at_once() {
    let errors = Config::from_vars(Process::Worker, &|_| None).expect_err("nothing is set");
    for name in least().keys() {
        assert!(errors.problems.contains(&format!("{name} is not set")), "{name}: {errors}");
    }
    assert_eq!(errors.problems.len(), least().len(), "{errors}");
}

#[test]
fn the_api_needs_no_key_for_the_provider() {
    assert!(read(Process::Api, &[("RUNPOD_API_KEY", "")]).is_ok());
    assert!(read(Process::Worker, &[("RUNPOD_API_KEY", "")]).is_err());
}

#[test]
fn migrate_needs_the_database_alone_and_prefers_its_owner() {
    let only = |name: &'static str| {
        move |asked: &str| (asked == name).then(|| format!("postgres://{}@h/db", name.to_lowercase()))
    };
    for name in ["MIGRATION_DATABASE_URL", "DATABASE_URL"] {
        let config = Config::from_vars(Process::Migrate, &only(name)).expect("a database is enough");
        assert!(config.database.url.expose_secret().contains(&name.to_lowercase()));
    }
    let errors = Config::from_vars(Process::Migrate, &|_| None).expect_err("no database");
    assert_eq!(errors.problems, ["DATABASE_URL is not set"]);
}

#[test]
fn each_malformed_setting_is_named_and_its_value_is_not() {
    let wrong = [
        ("DATABASE_URL", "mysql://leaked"),
        ("DATABASE_POOL_MAX", "leaked"),
        ("PUBLIC_URL", "http://leaked.example.com"),
        ("WEBHOOK_SECRET", "leaked"),
        ("WEBHOOKS", "leaked"),
        ("SUPABASE_URL", "https://leaked.example.com/path"),
        ("SUPABASE_JWT_SECRET", "leaked"),
        ("RUNPOD_API_URL", "http://leaked.example.com/v2"),
        ("COMFYUI_ENDPOINT_ID", "leaked/../x"),
        ("COMFYUI_ENDPOINT_ID_MODEL", "leaked id"),
        ("OUTPUT_HOSTS", "leaked host"),
        ("STORAGE_BACKEND", "leaked"),
        ("STORAGE_BUCKET", "Leaked/bucket"),
        ("API_BIND", "leaked"),
        ("METRICS_BIND", "leaked:1"),
        ("WORKER_CONCURRENCY", "0"),
        ("CORS_ORIGINS", "*"),
        ("LOG_FORMAT", "leaked"),
        ("GENERATE_RATE_PER_MINUTE", "-1"),
        ("OUTPUT_RETENTION_DAYS", "leaked"),
        ("CLEANUP", "leaked"),
    ];
    let text = problems(&wrong);
    for (name, _) in wrong {
        assert!(text.contains(&format!("\n  {name} ")), "{name} is not in {text}");
    }
    assert!(!text.to_lowercase().contains("leaked"), "{text}");
    assert!(text.starts_with("21 wrong in the settings"), "{text}");
}

#[test]
fn what_goes_out_in_the_clear_is_refused_unless_it_stays_on_this_machine() {
    let met = |name: &str, value: &str, expected: &str| {
        let seen = if problems(&[(name, value), ("LOG_FORMAT", "x")]).contains(&format!("\n  {name} ")) {
            "refused"
        } else {
            "taken"
        };
        attack::is_met(Target::Transport, format!("{name}={value}"), expected, seen);
    };
    for mode in ["disable", "allow", "prefer"] {
        met("DATABASE_URL", &format!("postgres://u:p@db.example.com/d?sslmode={mode}"), "refused");
        met("DATABASE_URL", &format!("postgres://u:p@127.0.0.1/d?sslmode={mode}"), "taken");
        met("MIGRATION_DATABASE_URL", &format!("postgres://u:p@x/d?host=db.example.com&sslmode={mode}"), "refused");
    }
    met("DATABASE_URL", "postgres://u:p@localhost/d?host=/run/postgresql&sslmode=disable", "taken");
    for mode in ["require", "verify-ca", "verify-full"] {
        met("DATABASE_URL", &format!("postgres://u:p@db.example.com/d?sslmode={mode}"), "taken");
    }
    for name in ["PUBLIC_URL", "SUPABASE_URL", "RUNPOD_API_URL"] {
        met(name, "http://api.example.com", "refused");
        met(name, "http://localhost:8000", "taken");
    }
}

#[test]
fn the_transaction_pooler_is_refused_with_the_way_out() {
    for url in ["postgres://u:p@db.example.com:6543/postgres", "postgres://u:p@db.example.com/postgres?port=6543"] {
        assert!(problems(&[("DATABASE_URL", url)]).contains("session pooler"));
    }
}

#[test]
fn plain_http_stays_on_this_machine() {
    for name in ["SUPABASE_URL", "RUNPOD_API_URL", "PUBLIC_URL"] {
        for local in ["http://127.0.0.1:54321", "http://localhost:54321", "http://[::1]:54321"] {
            assert!(read(Process::Worker, &[(name, local)]).is_ok(), "{name} {local}");
        }
        assert!(problems(&[(name, "http://10.0.0.1")]).contains(name));
    }
}

#[test]
fn settings_that_need_each_other_are_asked_for_by_name() {
    assert!(problems(&[("TLS_CERT", "/etc/cert.pem")]).contains("TLS_KEY is needed by TLS_CERT"));
    assert!(problems(&[("TLS_KEY", "/etc/key.pem")]).contains("TLS_CERT is needed by TLS_KEY"));
    assert!(problems(&[("STORAGE_BACKEND", "local")]).contains("STORAGE_DIR is needed"));
}

#[test]
fn the_former_provider_address_and_an_unreachable_public_one_are_warned_about() {
    let former = read(Process::Worker, &[("RUNPOD_API_URL", "https://api.runpod.io/v2")]).expect("allowed");
    assert!(former.warnings[0].contains("api.runpod.ai"), "{:?}", former.warnings);
    let unreachable = read(Process::Worker, &[("PUBLIC_URL", "http://127.0.0.1:8080")]).expect("allowed");
    assert!(unreachable.warnings[0].contains("WEBHOOKS=off"), "{:?}", unreachable.warnings);
}

#[test]
fn a_value_may_come_from_a_file_but_not_from_both() {
    let path = std::env::temp_dir().join(format!("shootx-setting-{}", std::process::id()));
    std::fs::write(&path, format!("{SECRET} one, {SECRET} two\n")).expect("a writable directory");
    let file = path.to_str().expect("a plain path");
    let config = read(Process::Api, &[("WEBHOOK_SECRET", ""), ("WEBHOOK_SECRET_FILE", file)]).expect("a readable file");
    assert_eq!(config.webhook_secrets.len(), 2);
    assert!(problems(&[("WEBHOOK_SECRET_FILE", file)]).contains("keep one of them"));
    std::fs::remove_file(&path).expect("the file is ours");
    let gone = problems(&[("WEBHOOK_SECRET", ""), ("WEBHOOK_SECRET_FILE", file)]);
    assert!(gone.contains("WEBHOOK_SECRET_FILE names a file that cannot be read"), "{gone}");
}

#[test]
fn spans_go_nowhere_unless_a_receiver_is_named() {
    assert!(read(Process::Worker, &[]).expect("complete settings").traces.is_none());
    let changes = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example.com/otlp"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YTpi==, x-tenant = shootx"),
        ("OTEL_TRACES_SAMPLE_RATIO", "0.25"),
    ];
    let traces = read(Process::Api, &changes).expect("complete settings").traces.expect("a receiver");
    let told = |(name, value): &(reqwest::header::HeaderName, secrecy::SecretString)| {
        format!("{name}: {}", value.expose_secret())
    };
    let headers: Vec<_> = traces.headers.iter().map(told).collect();
    assert_eq!(headers, ["authorization: Basic YTpi==", "x-tenant: shootx"]);
    assert!((traces.sample_ratio - 0.25).abs() < f64::EPSILON);
    assert!(problems(&changes[1..2]).contains("OTEL_EXPORTER_OTLP_ENDPOINT is not"));
    for (name, wrong) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://leaked.example.com:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "leaked:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "leaked"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "two words=leaked"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=leaked%0Aline"),
        ("OTEL_TRACES_SAMPLE_RATIO", "1.5"),
        ("OTEL_TRACES_SAMPLE_RATIO", "NaN"),
    ] {
        let text = problems(&[changes[0], (name, wrong)]);
        assert!(text.contains(&format!("\n  {name} ")) && !text.contains("leaked"), "{name}={wrong}: {text}");
    }
}

#[test]
fn nothing_secret_is_in_the_debug_text() {
    let changes = [
        ("SUPABASE_JWT_SECRET", SECRET),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example.com"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=key_of_the_receiver"),
    ];
    let text = format!("{:?}", read(Process::Worker, &changes).expect("complete settings"));
    for secret in [SECRET, "sb_secret_0123456789", "rpa_0123456789", "shootx:pw", "key_of_the_receiver"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// The template's settings with the values they have there, commented out or not.
fn template() -> BTreeMap<&'static str, &'static str> {
    TEMPLATE
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect()
}

#[test]
fn the_template_lists_exactly_the_settings_there_are() {
    let asked = RefCell::new(BTreeSet::from([LOG_FILTER_VARIABLE.to_owned()]));
    for process in [Process::Api, Process::Worker, Process::Migrate] {
        let note = |name: &str| asked.borrow_mut().insert(name.to_owned());
        let _ = Config::from_vars(process, &|name| {
            note(name);
            None
        });
    }
    let asked = asked.into_inner();
    let is_file_of_another = |name: &str| name.strip_suffix("_FILE").is_some_and(|base| asked.contains(base));
    let settings: Vec<&str> = asked.iter().map(String::as_str).filter(|name| !is_file_of_another(name)).collect();
    let listed: Vec<&str> = template().into_keys().collect();
    assert_eq!(listed, settings);
}

#[test]
fn the_template_shows_working_values() {
    let vars = template();
    for process in [Process::Api, Process::Worker, Process::Migrate] {
        let read = Config::from_vars(process, &|name| vars.get(name).map(|value| (*value).to_owned()));
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn endpoint_and_dialect_of_each_workflow_can_be_overridden() {
    let changes = [("COMFYUI_ENDPOINT_ID_RESIZE", "plain"), ("COMFYUI_DIALECT_RESIZE", "worker-comfyui")];
    let runpod = read(Process::Api, &changes).expect("sound settings").runpod;
    assert_eq!(runpod.endpoint(WorkflowType::Resize), "plain");
    assert_eq!(runpod.dialect(WorkflowType::Resize), Dialect::WorkerComfyui);
    assert_eq!(runpod.endpoint(WorkflowType::Model), "abc123");
    assert_eq!(runpod.dialect(WorkflowType::Model), Dialect::Product);
    for (name, value, wanted) in [
        ("COMFYUI_DIALECT_MODEL", "worker-comfyui", "must be product: there is no graph for it"),
        ("COMFYUI_DIALECT_UPSCALE", "comfy", "must be product or worker-comfyui"),
    ] {
        assert!(problems(&[(name, value)]).contains(&format!("{name} {wanted}")), "{name}");
    }
}
