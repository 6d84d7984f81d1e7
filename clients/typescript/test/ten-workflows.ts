// One generation of each workflow, as a customer's program would run them, against the API at SHOOTX_URL.
// Prints one line of JSON: the formats it was given, by workflow.

import assert from "node:assert/strict";

import { createShootX, ShootXError } from "../src/index.js";
import type { GenerateRequest, Generation, RequestOf, Workflow, WorkflowType } from "../src/index.js";
import { formatOf, pngSize } from "./formats.js";

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const baseUrl = setting("SHOOTX_URL");
const shootx = createShootX({ baseUrl, token: () => Promise.resolve(setting("SHOOTX_TOKEN")) });
const balanceBefore = await shootx.balance();
const offered = new Map((await createShootX({ baseUrl }).workflows()).map((entry) => [entry.workflow_type, entry]));
const delivered: Partial<Record<WorkflowType, string>> = {};
let spent = 0;

function price(entry: Workflow, outputs: number): number {
  return Math.ceil((entry.price.cost * outputs) / entry.price.default_outputs);
}

/** Runs it to its end, and answers its first output's address and file. */
async function run(request: GenerateRequest): Promise<{ generation: Generation; file: Buffer }> {
  const type = request.workflow_type;
  const entry = offered.get(type);
  assert(entry, `${type} is not offered`);
  const count = request.settings?.output_count ?? entry.price.default_outputs;
  const format = request.settings?.output_format ?? entry.formats[0];
  assert(format, `${type} has no format`);

  const accepted = await shootx.generate(request);
  assert.equal(accepted.cost.price, price(entry, count), type);
  const seen: number[] = [];
  const generation = await shootx.waitFor(accepted, { onProgress: ({ progress }) => seen.push(progress) });
  assert.equal(generation.status, "completed", `${type}: ${generation.error}`);
  assert.deepEqual(seen, [...seen].sort((one, other) => one - other), `${type} went backwards`);
  assert.equal(generation.workflow_type, type);
  assert.equal(generation.image_urls.length, count, type);
  assert.equal(generation.cost?.charged, accepted.cost.price, type);
  spent += accepted.cost.price;

  const files = await Promise.all(generation.image_urls.map(download));
  for (const file of files) assert.equal(formatOf(file), format, type);
  assert.equal(new Set(files.map((file) => file.toString("base64"))).size, count, `${type} repeats itself`);
  delivered[type] = format;
  const [file] = files;
  assert(file);
  return { generation, file };
}

async function download(url: string): Promise<Buffer> {
  const answer = await fetch(url);
  assert.equal(answer.status, 200, url);
  return Buffer.from(await answer.arrayBuffer());
}

const model = await run({
  workflow_type: "model",
  input_data: { gender: "female", pose: "standing", age_range: "25-35", ethnicity: "mixed", prompt: "by the sea" },
  settings: { output_count: 2, output_format: "png" },
});
// The same picture twice: as base64, and by its path.
const inline = model.file.toString("base64");
const labelled = `data:image/png;base64,${inline}`;
const path = `${setting("SHOOTX_USER_ID")}/${model.generation.generation_id}/1.png`;

const others: { [T in Exclude<WorkflowType, "model">]: RequestOf<T> } = {
  tryon: {
    workflow_type: "tryon",
    input_data: { model_image: path, garment_image: inline, garment_type: "dress", fit_adjustment: "loose" },
    settings: { output_count: 1 },
  },
  color_change: {
    workflow_type: "color_change",
    input_data: { input_image: path, target_color: "#1E66F5", preserve_texture: true },
    settings: { output_format: "jpg" },
  },
  upscale: {
    workflow_type: "upscale",
    input_data: { input_image: inline, upscale_level: 2, denoise_strength: 0 },
    settings: { output_format: "jpg" },
  },
  graphic_transfer: {
    workflow_type: "graphic_transfer",
    input_data: { base_image: path, graphic_image: labelled, position: { x: 0.5, y: 0.25 }, scale: 0.2 },
  },
  resize: {
    workflow_type: "resize",
    input_data: { input_image: path, target_width: 320, target_height: 180, maintain_aspect: true, fill_mode: "crop" },
    settings: { output_format: "png" },
  },
  background: {
    workflow_type: "background",
    input_data: { input_image: path, prompt: "a beach", style: "photorealistic" },
    settings: { output_count: 1, output_format: "avif" },
  },
  lifestyle: {
    workflow_type: "lifestyle",
    input_data: { product_image: labelled, scene: "kitchen", lighting: "soft", time_of_day: null },
  },
  video: {
    workflow_type: "video",
    input_data: { input_images: [path, inline], duration: 2, transition: "fade", fps: 24 },
  },
  poster: {
    workflow_type: "poster",
    input_data: { input_image: path, platform: "instagram_post", text_overlay: { text: "Back in stock" } },
    settings: { output_count: 1, output_format: "png" },
  },
};
await Promise.all(
  Object.values(others).map(async (request) => {
    const { file } = await run(request);
    if (request.workflow_type === "resize") assert.deepEqual(pngSize(file), { width: 320, height: 180 });
  }),
);

// Money: what was charged is gone, and a repeat under the same key costs nothing.
assert.equal(await shootx.balance(), balanceBefore - spent);
const first = await shootx.generate(others.resize, { idempotencyKey: "once" });
const again = await shootx.generate(others.resize, { idempotencyKey: "once" });
assert.deepEqual([first.isReplayed, again.isReplayed, again.generation_id], [false, true, first.generation_id]);
const cancelled = await shootx.cancel(first.generation_id);
assert.equal(cancelled.generation_id, first.generation_id);
await shootx.waitFor(cancelled);

// Refusals say what is wrong, and where.
const wrong = { ...others.resize, input_data: { ...others.resize.input_data, target_width: 1 } };
await assert.rejects(shootx.generate(wrong), (error: unknown) => {
  assert(error instanceof ShootXError);
  assert.equal(error.code, "invalid-request");
  assert.deepEqual(error.problem?.errors?.map(({ pointer }) => pointer), ["/input_data/target_width"]);
  return true;
});
await assert.rejects(createShootX({ baseUrl }).balance(), { name: "ShootXError", status: 401, code: "invalid-token" });

const page = await shootx.list({ limit: 100 });
assert.equal(page.items.length, 11);
console.log(JSON.stringify(delivered));
