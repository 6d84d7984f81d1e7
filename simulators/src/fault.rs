//! Scripted faults: what goes wrong ([`Fault::effect`]) and for which calls ([`Scope`]). The same form serves a test that
//! holds the handle and another process that posts JSON to `/_sim/faults`.

use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::operation::Operation;

/// Faults one script holds at most; the next is refused.
pub const FAULTS_MAX: usize = 1_000;

/// What can go wrong in one simulator.
pub trait Effect: Clone + Send + Serialize + 'static {
    /// Reads the effect from `{"fault": "<name>", ..}`.
    ///
    /// # Errors
    ///
    /// A text that says which names exist.
    fn from_json(value: Value) -> Result<Self, String>;

    /// Effects of one category exclude each other for one call; of several that match, the oldest is applied.
    fn category(&self) -> u8;
}

type Predicate = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// Which calls a fault applies to. Everything left out matches.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only this operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Operation>,
    /// Only where the prompt of the job's input contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_contains: Option<String>,
    /// Only where the input, as compact JSON, contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_contains: Option<String>,
    /// Only where the subject (a job id, an object's `bucket/key`, an e-mail address) contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_contains: Option<String>,
    /// Leave the first so many matching calls alone.
    #[serde(default)]
    pub skip: u32,
    /// How often it applies; without it once, or without end when there is a rate or `always`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Applies without end.
    #[serde(default)]
    pub always: bool,
    /// The share of matching calls it applies to, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    #[serde(skip)]
    predicate: Option<Predicate>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

impl Scope {
    fn times_max(&self) -> u32 {
        match self.times {
            Some(times) => times,
            None if self.always || self.rate.is_some() => u32::MAX,
            None => 1,
        }
    }

    fn covers(&self, call: &Call<'_>) -> bool {
        let input = call.input.unwrap_or(&Value::Null);
        self.on.is_none_or(|on| on == call.operation)
            && self.prompt_contains.as_ref().is_none_or(|text| prompt(input).contains(text.as_str()))
            && self.input_contains.as_ref().is_none_or(|text| input.to_string().contains(text.as_str()))
            && self.subject_contains.as_ref().is_none_or(|text| call.subject.contains(text.as_str()))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(input))
    }
}

fn prompt(input: &Value) -> &str {
    let nested = input.pointer("/input/prompt").or_else(|| input.get("prompt"));
    nested.and_then(Value::as_str).unwrap_or_default()
}

/// One scripted misbehaviour.
#[derive(Clone, Debug)]
pub struct Fault<E> {
    /// What goes wrong.
    pub effect: E,
    /// For which calls.
    pub scope: Scope,
}

impl<E: Effect> Fault<E> {
    /// For the next matching call, once.
    pub fn new(effect: impl Into<E>) -> Self {
        Self { effect: effect.into(), scope: Scope::default() }
    }

    /// Only for this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.scope.on = Some(operation);
        self
    }

    /// For the next `times` matching calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.scope.times = Some(times);
        self
    }

    /// For every matching call until the faults are cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.scope.always = true;
        self
    }

    /// Leaves the first `skip` matching calls alone.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.scope.skip = skip;
        self
    }

    /// For this share (0 to 1) of matching calls, drawn from the simulator's seed.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.scope.rate = Some(rate);
        self
    }

    /// Only where the prompt of the job's input contains `text`.
    #[must_use]
    pub fn prompt_contains(mut self, text: impl Into<String>) -> Self {
        self.scope.prompt_contains = Some(text.into());
        self
    }

    /// Only where the job id, object path or e-mail address contains `text`.
    #[must_use]
    pub fn subject_contains(mut self, text: impl Into<String>) -> Self {
        self.scope.subject_contains = Some(text.into());
        self
    }

    /// Only where `predicate` holds of the job's input.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.scope.predicate = Some(Arc::new(predicate));
        self
    }

    /// Reads one fault: the effect's fields and the scope's, in one flat object.
    ///
    /// # Errors
    ///
    /// A text for the one who wrote the script: unknown fault, unknown field, value of a wrong type.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let object = value.as_object().ok_or("a fault is a JSON object")?;
        let (scope, effect): (Map<String, Value>, Map<String, Value>) =
            object.clone().into_iter().partition(|(name, _)| SCOPE_FIELDS.contains(&name.as_str()));
        let scope: Scope = serde_json::from_value(Value::Object(scope)).map_err(|error| error.to_string())?;
        if scope.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err("rate must lie between 0 and 1".to_owned());
        }
        Ok(Self { effect: E::from_json(Value::Object(effect))?, scope })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        for part in [serde_json::to_value(&self.effect), serde_json::to_value(&self.scope)] {
            if let Ok(Value::Object(part)) = part {
                object.extend(part);
            }
        }
        Value::Object(object)
    }
}

const SCOPE_FIELDS: [&str; 8] =
    ["on", "prompt_contains", "input_contains", "subject_contains", "skip", "times", "always", "rate"];

/// One call, as a script looks at it.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) subject: &'a str,
    pub(crate) input: Option<&'a Value>,
}

struct Rule<E> {
    fault: Fault<E>,
    skipped: u32,
    applied: u32,
}

/// The faults of one simulator, in the order they were written.
pub(crate) struct Script<E> {
    rules: Vec<Rule<E>>,
    random: StdRng,
}

impl<E: Effect> Script<E> {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), random: StdRng::seed_from_u64(seed) }
    }

    /// Adds a fault; false when the script is full.
    pub(crate) fn add(&mut self, fault: Fault<E>) -> bool {
        let room = self.rules.len() < FAULTS_MAX;
        if room {
            self.rules.push(Rule { fault, skipped: 0, applied: 0 });
        }
        room
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The live faults with the number of times each was applied.
    pub(crate) fn to_json(&self) -> Vec<Value> {
        let with_count = |rule: &Rule<E>| {
            let mut fault = rule.fault.to_json();
            fault["applied"] = rule.applied.into();
            fault
        };
        self.rules.iter().map(with_count).collect()
    }

    /// Takes the effects for this call: at most one a category, the oldest first, of those that `wanted` lets through.
    pub(crate) fn take(&mut self, call: &Call<'_>, wanted: impl Fn(&E) -> bool) -> Vec<E> {
        let mut taken: Vec<E> = Vec::new();
        for rule in &mut self.rules {
            let effect = &rule.fault.effect;
            let rival = taken.iter().any(|other| other.category() == effect.category());
            if rival || !wanted(effect) || !rule.fault.scope.covers(call) {
                continue;
            }
            if rule.skipped < rule.fault.scope.skip {
                rule.skipped += 1;
                continue;
            }
            if rule.fault.scope.rate.is_some_and(|rate| self.random.random::<f64>() >= rate) {
                continue;
            }
            rule.applied += 1;
            taken.push(effect.clone());
        }
        self.rules.retain(|rule| rule.applied < rule.fault.scope.times_max());
        taken
    }
}
