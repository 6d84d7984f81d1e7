//! Simulators.

pub mod runpod;

mod fault;
mod http_fault;
mod net;
mod time;

pub use self::fault::{Effect, FAULTS_MAX, Fault, Operation, Scope};
pub use self::http_fault::{HttpFault, NO_ANSWER_MAX};
pub use self::runpod::{RunPodFault, RunPodHandle, RunPodOptions, RunPodSim};
pub use self::time::Time;
