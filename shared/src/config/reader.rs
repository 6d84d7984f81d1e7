//! Reads single settings and collects what is wrong with them, so that all of it is told at once.

use url::Url;

use super::{Config, ConfigErrors, Process, rules};

/// Suffix of the variable that names a file holding a setting's value.
const FILE_SUFFIX: &str = "_FILE";
/// Largest file read for a setting: none is longer than a key.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Hands out settings by name; values never enter a problem's text.
pub(super) struct Reader<'a> {
    process: Process,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(process: Process, lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { process, lookup, problems: Vec::new() }
    }

    pub(super) fn process(&self) -> Process {
        self.process
    }

    /// The default of `METRICS_BIND`: two processes on one machine must not meet on a port.
    pub(super) fn metrics_bind(&self) -> &'static str {
        match self.process {
            Process::Api | Process::Migrate => rules::METRICS_BIND_API,
            Process::Worker => rules::METRICS_BIND_WORKER,
        }
    }

    /// The default of `PICTURE_MEMORY_MB`: a worker converts outputs, the API only checks inputs.
    pub(super) fn picture_memory(&self) -> &'static str {
        match self.process {
            Process::Api | Process::Migrate => rules::PICTURE_MEMORY_API,
            Process::Worker => rules::PICTURE_MEMORY_WORKER,
        }
    }

    /// Notes that `name` is wrong; `what` completes a sentence that starts with the name.
    pub(super) fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name} {what}"));
    }

    /// The value of `name`, or of the file that `NAME_FILE` names.
    pub(super) fn optional(&mut self, name: &str) -> Option<String> {
        let file_name = format!("{name}{FILE_SUFFIX}");
        let given =
            |name: &str| (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        match (given(name), given(&file_name)) {
            (Some(_), Some(_)) => {
                self.problem(name, &format!("is set, and so is {file_name}: keep one of them"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => self.file_value(&file_name, &path),
            (None, None) => None,
        }
    }

    fn file_value(&mut self, file_name: &str, path: &str) -> Option<String> {
        let small = std::fs::metadata(path).map(|found| found.len() <= FILE_BYTES_MAX);
        let problem =
            match small.and_then(|small| if small { std::fs::read_to_string(path).map(Some) } else { Ok(None) }) {
                Ok(Some(text)) if !text.trim().is_empty() => return Some(text.trim().to_owned()),
                Ok(Some(_)) => "names an empty file".to_owned(),
                Ok(None) => format!("names a file of more than {FILE_BYTES_MAX} bytes"),
                Err(error) => format!("names a file that cannot be read: {}", error.kind()),
            };
        self.problem(file_name, &problem);
        None
    }

    /// Like [`Reader::optional`], but its absence is a problem, except to `migrate`.
    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        if self.process == Process::Migrate { self.optional(name) } else { self.required_always(name) }
    }

    /// Like [`Reader::optional`], but its absence is a problem to every process.
    pub(super) fn required_always(&mut self, name: &str) -> Option<String> {
        let problems_before = self.problems.len();
        let value = self.optional(name);
        if value.is_none() && self.problems.len() == problems_before {
            self.problem(name, "is not set");
        }
        value
    }

    /// The value of `name`, or `default`, read by `parse`. `wanted` says in words what `parse` takes.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        wanted: &str,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let value = self.optional(name);
        value
            .and_then(|text| self.checked(name, wanted, parse(&text)))
            .unwrap_or_else(|| parse(default).expect("a default obeys its own rule"))
    }

    /// A required address. Where it is absent or wrong, the problem is noted and a placeholder comes back.
    pub(super) fn required_url(&mut self, name: &str, wanted: &str, parse: impl Fn(&str) -> Option<Url>) -> Url {
        let value = self.required(name);
        value
            .and_then(|text| self.checked(name, wanted, parse(&text)))
            .unwrap_or_else(|| Url::parse("http://127.0.0.1").expect("a valid address"))
    }

    /// Passes `parsed` on and notes its absence.
    pub(super) fn checked<T>(&mut self, name: &str, wanted: &str, parsed: Option<T>) -> Option<T> {
        if parsed.is_none() {
            self.problem(name, &format!("must be {wanted}"));
        }
        parsed
    }

    pub(super) fn finish(self, config: Config) -> Result<Config, ConfigErrors> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigErrors { problems: self.problems }) }
    }
}
