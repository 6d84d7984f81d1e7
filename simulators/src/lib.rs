//! Simulators of the services that the product stands on, good enough to develop against without any account: RunPod's job API
//! with workers that draw real pictures, a Supabase project (Auth and Storage), and payments as Stripe takes them. They are written
//! from the providers' contracts and use no code of the product, so that both cannot share one mistake.
//!
//! Each starts on an ephemeral port, knows its URL at once, and stops when its handle is dropped:
//!
//! ```
//! use simulators::runpod::JobFault;
//! use simulators::{HttpFault, Operation, RunPodFault, RunPodOptions, RunPodSim, SupabaseOptions, SupabaseSim};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let runpod = RunPodSim::start(RunPodOptions::default())?;
//! runpod.script(JobFault::NoOutput); // the next job
//! runpod.script(RunPodFault::new(HttpFault::AnswerLost).on(Operation::Run).prompt_contains("blue").times(2));
//! runpod.script(RunPodFault::new(HttpFault::TooManyRequests { retry_after_s: Some(1) }).rate(0.1));
//! assert_eq!(runpod.counts().jobs_made, 0);
//!
//! let supabase = SupabaseSim::start(SupabaseOptions::default())?;
//! let token = supabase.token(uuid::Uuid::new_v4());
//! # drop(token);
//! # Ok(()) }
//! ```
//!
//! # RunPod ([`RunPodSim`])
//!
//! | endpoint under `/v2/{endpoint}` | |
//! |---|---|
//! | `POST /run`, `POST /runsync?wait=ms` | `{input, webhook?, policy?}`; 10 and 20 MiB |
//! | `GET` or `POST /status/{id}?ttl=ms` | the job; 404 when it is gone |
//! | `GET` or `POST /status-sync/{id}?wait=ms` | the same once it has ended |
//! | `GET /stream/{id}` | `{id, status, stream: [{output}]}`: chunks of an attached worker, each once |
//! | `POST /cancel/{id}`, `POST /retry/{id}`, `POST /purge-queue`, `GET /health` | |
//! | `GET /files/{id}/{n}.{png,gif,mp4}` (at the root) | an output by URL |
//!
//! The workers speak two dialects, and a job's input says which. The product endpoint's is `{workflow_type, input, num_outputs,
//! output_format, seed?}`, for all ten workflows. An input picture is a PNG, JPEG or WebP as base64, plain or as a data URI; no URL
//! is fetched. Whatever is missing, out of range, unknown, no picture or a damaged one is refused as `INVALID_INPUT`, a side under
//! [`runpod::INPUT_SIDE_MIN`] as `INSUFFICIENT_RESOLUTION`, and `details.field` says which: `pose`, `position.x`, `input_images[1]`.
//!
//! What they draw is visibly made of its inputs, the same for the same request and seed, and different otherwise (an `upscale` or
//! `resize` with another seed only in a few grains). It is a PNG whatever `output_format` says, and as large as its input, its
//! parameters or its platform make it; `model` and `lifestyle` honour `width` and `height` beside the parameters or among them. An
//! input over [`runpod::LIKE_INPUT_PIXELS_MAX`] is scaled down where the result would be as large. A clip of 320 by 240 is a GIF that
//! shows the inputs, or the MP4 that is shipped here, which shows a test pattern whatever was asked.
//!
//! That of worker-comfyui 5.8.5 is `{workflow, images?}`, or the same as a JSON text. A small ComfyUI of version 0.3.64 validates the
//! graph and runs it before `/run` is answered: it loads, saves, scales, crops, turns, pads, blurs, sharpens, inverts, composes,
//! blends, repeats and joins pictures and masks, and adds noise. Pixels are those of a real one but for rounding (Lanczos as in Pillow,
//! the rest as in `PyTorch`), failures have its words. It has no model. Each endpoint has one worker, and a disk that no job clears:
//! a file is read by whoever knows its name, and the graph that ran last yields the same files when it runs again. Over 128 MiB the
//! oldest files go.
//!
//! Results are kept for 30 minutes, and inputs with them; ttl and executionTimeout are obeyed, the documented request rates give 429.
//!
//! With `generation_time` zero a job is complete at the first look. With [`Time::Manual`] the clock stands still: a job ends by
//! [`RunPodHandle::advance`], [`RunPodHandle::complete`] or [`RunPodHandle::fail`], and no test needs to sleep.
//!
//! Endpoints in [`RunPodOptions::attached`] have no built-in workers: their jobs wait for processes that speak the worker side, as
//! RunPod's Python SDK does (`job-take`, `job-take-batch`, `job-done`, `job-stream`, `job-stop`, `ping`, with a key of their own). A
//! job that no ping names for [`RunPodOptions::silence`] goes to another worker once, and then fails. A progress update that arrives
//! after the result is dropped and counted: the SDK often sends the last one so, and jobs end well. That the platform then shows
//! `IN_PROGRESS` for good, as was reported once, is the fault `late_progress_wins`. `tests/it/genuine_python.rs` runs the SDK's worker
//! and RunPod's Python client.
//!
//! Control, for other processes: `GET`, `POST`, `DELETE /_sim/faults`; `GET /_sim/jobs?prompt_contains=&endpoint=` (counts, and
//! the jobs with their webhook and faults, and their input until they are deleted); `GET /_sim/pods`; `POST
//! /_sim/jobs/{id}/complete`; `POST /_sim/jobs/{id}/fail {"error"}`; `POST /_sim/advance {"ms"}`; `POST /_sim/offline {"ms"}`.
//!
//! # Supabase ([`SupabaseSim`])
//!
//! Auth under `/auth/v1`: `POST /signup`, `POST /token?grant_type=password` and `refresh_token`, `GET` and `PUT /user` (metadata and
//! password), `POST /logout?scope=`, `GET /.well-known/jwks.json`. Refusals have the form of the `X-Supabase-Api-Version` asked for;
//! a refresh token brings one next, also to two tabs within 10 seconds. ES256 or HS256; [`SupabaseHandle::rotate`]; users in memory
//! or in `auth.users` of a database, whose triggers then run. Addresses count as confirmed, anonymous users have none, and no mail is sent. Passwords are kept
//! as a single salted SHA-256, enough for a simulator and nothing else. Bad tokens: [`supabase::BadToken`].
//!
//! Storage under `/storage/v1`: `/bucket` (create, get, list, change, empty, delete), `POST`, `PUT`, `GET`, `HEAD`, `DELETE
//! /object/{bucket}/{key}`, `/object/authenticated`, `/object/public`, `/object/info`, `POST /object/sign` (one and many), `GET
//! /object/sign`, `/object/upload/sign`, `/object/list`, `/object/list-v2`, `/object/move`, `/object/copy`, `DELETE
//! /object/{bucket}`. A file goes up as a raw body or as the first file of a multipart form. Errors are HTTP 400 with the truth in the
//! body, as storage has them. A service key may do all; a user reads and inserts only in `{user_id}/uploads/`.
//!
//! Supabase's and RunPod's own JavaScript clients are run against both simulators by `tests/it/genuine_node.rs`.
//!
//! Control: `GET`, `POST`, `DELETE /_sim/faults`; `GET /_sim/objects`; `GET /_sim/keys`; `POST /_sim/rotate`; `POST /_sim/token
//! {"user_id"?, "claims"?}`; `POST /_sim/advance {"ms"}`.
//!
//! # Payments ([`PaymentsSim`])
//!
//! | endpoint under `/v1`, as forms in bracket notation | |
//! |---|---|
//! | `POST`, `GET /customers`, `POST`, `GET /customers/{id}` | |
//! | `POST`, `GET /checkout/sessions`, `GET /checkout/sessions/{id}`, `POST /checkout/sessions/{id}/expire` | mode `payment` or `subscription`, `price` or inline `price_data` |
//! | `GET /subscriptions`, `GET`, `POST`, `DELETE /subscriptions/{id}` | `cancel_at_period_end`, `metadata` |
//! | `POST`, `GET /refunds`, `GET /refunds/{id}` | by `payment_intent` or `charge`, in part or all that is left |
//! | `GET` of `/invoices`, `/payment_intents`, `/charges`, `/disputes`, `/prices`, `/events`, and of one of each | |
//! | `GET /c/pay/{id}` (at the root) | the checkout page of a session: pay, be declined, go back |
//!
//! Lists have `limit`, `starting_after`, `created[gte]` and their filters. `expand[]` takes references of the first level, a session's
//! `line_items` and an invoice's `payments`. A `Stripe-Version` before [2025-03-31] has a subscription's period and an invoice's
//! subscription where they were then. An unknown parameter is refused. Answers are kept under their `Idempotency-Key` for a day, but
//! for refusals.
//!
//! Events go to [`PaymentsOptions::webhook_url`], one after another, signed with one secret or two, and are repeated for three days
//! if they are not answered with 2xx: `checkout.session.completed`, `.expired`, `.async_payment_succeeded`, `.async_payment_failed`,
//! `payment_intent.payment_failed`, `invoice.paid`, `invoice.payment_failed`, `customer.subscription.created`, `.updated`,
//! `.deleted`, `charge.refunded`, `charge.dispute.created`, `.closed`; and whatever [`PaymentsHandle::emit`] makes.
//!
//! [`PaymentsHandle::pay`] and its like play the customer, [`PaymentsHandle::dispute`] the bank. [`PaymentsHandle::advance`] renews
//! subscriptions at their ends, on the anchor's day or the month's last, has declined renewals tried again and ends those that are
//! never paid or were cancelled. Events that one `advance` makes are sent when it is over, so a repetition is at most one a step;
//! [`PaymentsHandle::delivered`] waits for them. Taxes, coupons, trials and prorations there are none.
//! `tests/it/genuine_stripe.rs` runs Stripe's Python client.
//!
//! Control: `GET`, `POST`, `DELETE /_sim/faults`; `GET /_sim/objects?of=`; `GET /_sim/deliveries`; `POST /_sim/sessions/{id}/pay`,
//! `pay-later`, `settle`, `bounce`, `fail`, `abandon`; `POST /_sim/disputes/{payment_intent}`, `/_sim/disputes/{id}/won` and `lost`;
//! `POST /_sim/webhook {"url"}`; `POST /_sim/advance {"ms"}`.
//!
//! [2025-03-31]: https://docs.stripe.com/changelog/basil
//!
//! # Faults
//!
//! As JSON, one object or an array: `{"fault": "<name>", ..its fields, ..scope}`. Scope: `on` (an [`Operation`] in snake case),
//! `prompt_contains`, `input_contains`, `subject_contains` (job id, `bucket/key`, e-mail address; of
//! payments a path, `<event type>/<id>` or `<session or subscription>/<customer>`), `skip`, `times`, `always`,
//! `rate`. Without `times`, `always` or `rate` a fault is for one call. In Rust [`Fault`] has the same as methods, and
//! [`Fault::when`] for any predicate on the input.
//!
//! | any exchange ([`HttpFault`]) | |
//! |---|---|
//! | `latency {ms}`, `too_many_requests {retry_after_s?}`, `server_error {status?}`, `unauthorized`, `not_found` | nothing is done, but for latency |
//! | `connection_aborted` | nothing is done |
//! | `answer_lost`, `no_answer`, `garbage_answer` | it is done |
//! | offline: [`RunPodHandle::go_offline`], `/_sim/offline` | connections are refused |
//!
//! | a RunPod job ([`runpod::JobFault`]) | |
//! |---|---|
//! | `never_starts`, `never_finishes`, `stuck_with_status {status}` | until cancelled, or the ttl |
//! | `fails {error, output?}`, `job_timed_out`, `execution_timeout_exceeded`, `timed_out`, `worker_gone`, `uncaught_exception`, `workflow_failed`, `workflow_invalid`, `cancelled_by_other` | it ends badly |
//! | `product_error {code, form?}`, `no_output`, `old_error_in_output`, `success_no_images`, `output {output}` | it ends well, and yet |
//! | `spoiled_picture {how, picture?}` ([`runpod::Spoil`]), `fewer_pictures {count}`, `more_pictures {count}`, `pictures_lost {count}` | |
//! | `form {form}` ([`runpod::ImageForm`]) | |
//! | `webhook_lost`, `webhook_late {ms}`, `webhook_duplicate {copies}`, `webhook_before_answer` | |
//! | `generation_time {ms}`, `cold_start {ms}`, `result_expired`, `extra_fields {fields}`, `progress {values}`, `cancel_ignored`, `late_progress_wins` | |
//!
//! | storage ([`supabase::StorageFault`]) | |
//! |---|---|
//! | `slow_down`, `internal_error`, `database_timeout`, `resource_locked`, `access_denied`, `storage_error {status, code}` | nothing is done |
//!
//! | payments ([`payments::ApiFault`], [`payments::EventFault`], [`payments::Decline`]) | |
//! |---|---|
//! | `api_error`, `lock_timeout`, `key_in_use` | nothing is done |
//! | `duplicated {copies}`, `reordered`, `delayed {ms}`, `forged`, `stale_timestamp {s}`, `never_sent` | to an event on its way |
//! | `card_declined {decline_code?}` | at checkout or a renewal |

pub mod payments;
pub mod runpod;
pub mod supabase;

mod control;
mod fault;
mod http_fault;
mod net;
mod operation;
mod time;

pub use self::fault::{Effect, FAULTS_MAX, Fault, Operation, Scope};
pub use self::http_fault::{HttpFault, NO_ANSWER_MAX};
pub use self::payments::{PaymentsFault, PaymentsHandle, PaymentsOptions, PaymentsSim};
pub use self::runpod::{RunPodFault, RunPodHandle, RunPodOptions, RunPodSim};
pub use self::supabase::{SupabaseFault, SupabaseHandle, SupabaseOptions, SupabaseSim};
pub use self::time::Time;
