// RunPod's own client against the job API: what it sends, and what it makes of the answers.
// Settings: RUNPOD_API_URL, RUNPOD_API_KEY. Endpoints: "product" makes pictures, for prompts with "slow" in more than a second, and
// fails for those with "broken"; the worker of "ep1" streams the words of its input; "idle" has no workers.
import runpodSdk from "runpod-sdk";

import { assert, check, conclude, setting } from "./checks.mjs";

const LOOKS_MAX = 10;
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

const baseUrl = setting("RUNPOD_API_URL");
const endpoint = (id, key = setting("RUNPOD_API_KEY")) => runpodSdk(key, { baseUrl }).endpoint(id);
const [product, streaming, idle] = [endpoint("product"), endpoint("ep1"), endpoint("idle")];

const pictures = (prompt) => ({
  input: {
    workflow_type: "model",
    input: { gender: "female", pose: "walking", age_range: "25-35", ethnicity: "mixed", prompt },
    num_outputs: 2,
    output_format: "png",
    seed: 42,
  },
});

function arePictures(output) {
  assert.equal(output.images.length, 2);
  for (const image of output.images) {
    const text = typeof image === "string" ? image : (image.data ?? image.image);
    assert.deepEqual(Buffer.from(text.replace(/^data:[^,]*,/, ""), "base64").subarray(0, 4), PNG);
  }
}

// The client throws what its HTTP library throws.
async function refused(promise, status) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.response?.status, status, error.message);
    return true;
  });
}

async function ended(of, id) {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const job = await of.statusSync(id, 1_000);
    if (job.completed) return job;
  }
  throw new Error(`${id} does not end`);
}

await check("a job is taken, looked at, and done", async () => {
  const { id, status } = await product.run(pictures("a red coat"));
  assert.match(id, /^[a-zA-Z0-9_-]+$/);
  assert.equal(status, "IN_QUEUE");
  const job = await ended(product, id);
  assert.deepEqual([job.id, job.status, job.started, job.succeeded], [id, "COMPLETED", true, true]);
  arePictures(job.output);
  const again = await product.status(id);
  assert.deepEqual([again.status, again.completed, again.output], ["COMPLETED", true, job.output]);
});

await check("a job is waited for", async () => {
  const job = await product.runSync(pictures("a blue coat"));
  assert.deepEqual([job.status, job.completed, job.succeeded], ["COMPLETED", true, true]);
  assert.ok(Number.isInteger(job.executionTime) && Number.isInteger(job.delayTime), JSON.stringify(job));
  assert.match(job.id, /^sync-/);
  arePictures(job.output);
});

await check("a job that outlasts the first wait is waited for again", async () => {
  const job = await product.runSync(pictures("a slow coat"), 1_000);
  assert.deepEqual([job.status, job.completed, job.succeeded], ["COMPLETED", true, true]);
  assert.ok(job.executionTime > 1_000, `executionTime ${job.executionTime}`);
  arePictures(job.output);
});

await check("a wait that is over shows the job as it is", async () => {
  const { id } = await idle.run({ input: { nobody: "takes it" } });
  const job = await idle.statusSync(id, 1);
  assert.deepEqual([job.id, job.status, job.started, job.completed], [id, "IN_QUEUE", true, false]);
});

await check("a job fails, and says why", async () => {
  const job = await product.runSync(pictures("a broken coat"));
  assert.deepEqual([job.status, job.completed, job.succeeded], ["FAILED", true, false]);
  assert.equal(job.error, "the worker's own words");
  const looked = await product.status(job.id);
  assert.deepEqual([looked.status, looked.succeeded, looked.error], ["FAILED", false, job.error]);
});

await check("a stream brings each chunk once, in order, and ends", async () => {
  const words = ["warp", "weft", "woven"];
  const { id } = await streaming.run({ input: { words } });
  const heard = [];
  for await (const chunk of streaming.stream(id)) heard.push(chunk.output);
  assert.deepEqual(heard, words);
  const job = await streaming.status(id);
  assert.deepEqual([job.status, job.output], ["COMPLETED", words]);
  for await (const chunk of streaming.stream(id)) assert.fail(`a chunk twice: ${JSON.stringify(chunk)}`);
});

await check("a job is cancelled", async () => {
  const { id } = await idle.run({ input: { nobody: "takes it" } });
  assert.deepEqual(await idle.cancel(id), { id, status: "CANCELLED" });
  const job = await idle.status(id);
  assert.deepEqual([job.status, job.completed, job.succeeded], ["CANCELLED", true, false]);
});

await check("health counts jobs and workers, and a purge empties the queue", async () => {
  const counted = ({ jobs }) => jobs;
  const before = counted(await idle.health());
  await idle.run({ input: { nobody: "takes it" } });
  assert.equal(counted(await idle.health()).inQueue, before.inQueue + 1);
  assert.deepEqual(await idle.purgeQueue(), { removed: before.inQueue + 1, status: "completed" });
  assert.equal(counted(await idle.health()).inQueue, 0);
  const { jobs, workers } = await product.health();
  const numbers = (of, names) => names.every((name) => Number.isInteger(of[name]));
  assert.ok(numbers(jobs, ["completed", "failed", "inProgress", "inQueue", "retried"]), JSON.stringify(jobs));
  assert.ok(numbers(workers, ["idle", "initializing", "ready", "running", "throttled"]), JSON.stringify(workers));
  assert.ok(jobs.completed >= 3 && jobs.failed >= 1, JSON.stringify(jobs));
});

await check("a wrong key, job or endpoint is refused", async () => {
  const stranger = endpoint("product", "rpa_wrong");
  await refused(stranger.run(pictures("a red coat")), 401);
  await refused(stranger.health(), 401);
  await refused(product.status("no-such-job-u1"), 404);
  await refused(product.cancel("no-such-job-u1"), 404);
  const { id } = await idle.run({ input: { nobody: "takes it" } });
  await refused(product.status(id), 404);
  await refused(endpoint("nowhere").run(pictures("a red coat")), 404);
});

conclude();
