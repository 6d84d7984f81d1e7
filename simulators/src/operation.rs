//! What a client, or an attached worker, can ask of a simulator.

use serde::{Deserialize, Serialize};

/// The operations that a fault can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named after the operation it is")]
pub enum Operation {
    // RunPod
    Run,
    Runsync,
    Status,
    StatusSync,
    Stream,
    Cancel,
    Retry,
    PurgeQueue,
    Health,
    /// Reading a picture that the simulator serves by URL.
    File,
    // RunPod, the side of attached workers
    JobTake,
    JobDone,
    JobStream,
    JobStop,
    Ping,
    // Supabase Storage
    Upload,
    Download,
    Info,
    Sign,
    SignedDownload,
    List,
    Delete,
    Move,
    Copy,
    Bucket,
    // Supabase Auth
    Signup,
    Token,
    User,
    Logout,
    Jwks,
    // Payments
    CreateCustomer,
    UpdateCustomer,
    CreateSession,
    ExpireSession,
    UpdateSubscription,
    CancelSubscription,
    CreateRefund,
    /// Reading one object of payments.
    Retrieve,
    /// Reading a list of payments' objects, events too.
    ListObjects,
    /// An attempt to take money: at checkout, or for a period of a subscription.
    Charge,
    /// An event that is to be sent.
    Event,
}
