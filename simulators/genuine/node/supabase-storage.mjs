// Files of the signed-in user: what goes up comes down, in her own folder of uploads and nowhere else.
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import { assert, check } from "./checks.mjs";

const BUCKET = "genuine";
const FILE_BYTES_MAX = 512 * 1024;
const LINK_SECONDS = 60;

function granted({ data, error }) {
  assert.equal(error, null);
  return data;
}

// Storage says HTTP 400 whatever it means; the truth is in the body.
function refused({ data, error }, statusCode, message) {
  assert.ok(error, `a refusal was expected, not ${JSON.stringify(data)}`);
  assert.deepEqual([error.name, error.status, error.statusCode], ["StorageApiError", 400, statusCode], error.message);
  assert.match(error.message, message);
}

const POLICY = /row-level security/;
const png = { contentType: "image/png" };

// More than one piece on the wire, with what separates the parts of a form inside.
const picture = Buffer.concat([randomBytes(150_000), Buffer.from("\r\n--\r\n------formdata-undici-0\r\n"), randomBytes(150_000)]);

const bytesOf = async (blob) => Buffer.from(await blob.arrayBuffer());

export async function store(ada, { user, other, stranger, service }) {
  await buckets(ada, service);
  const files = ada.storage.from(BUCKET);
  const uploads = `${user}/uploads`;
  await up(files, uploads);
  await refusals(ada, { user, other, stranger });
  await down(files, uploads, service);
  await links(files, uploads);
  await changes(files, uploads, service);
  await elsewhere(ada, { user, stranger, service });
}

async function buckets(ada, service) {
  await check("the service makes a private bucket, once", async () => {
    const options = { public: false, fileSizeLimit: FILE_BYTES_MAX, allowedMimeTypes: ["image/png", "image/webp"] };
    assert.equal(granted(await service.storage.createBucket(BUCKET, options)).name, BUCKET);
    refused(await service.storage.createBucket(BUCKET, options), "409", /already exists/);
    const bucket = granted(await service.storage.getBucket(BUCKET));
    assert.deepEqual([bucket.public, bucket.file_size_limit], [false, FILE_BYTES_MAX]);
  });
  await check("a user sees no bucket, and makes none", async () => {
    assert.deepEqual(granted(await ada.storage.listBuckets()), []);
    refused(await ada.storage.createBucket("hers"), "403", POLICY);
  });
}

async function up(files, uploads) {
  await check("a blob goes up as a form", async () => {
    const blob = new Blob([picture], { type: "image/png" });
    const data = granted(await files.upload(`${uploads}/form.png`, blob, { metadata: { from: "a form" } }));
    assert.equal(data.path, `${uploads}/form.png`);
    assert.equal(data.fullPath, `${BUCKET}/${uploads}/form.png`);
    assert.match(data.id, /^[0-9a-f-]{36}$/);
  });
  await check("a form made by hand goes up", async () => {
    const form = new FormData();
    form.append("cacheControl", "7");
    form.append("picture", new File([picture], "name of hers.webp", { type: "image/webp" }));
    granted(await files.upload(`${uploads}/by hand (1).webp`, form));
  });
  await check("bytes and streams go up as they are", async () => {
    const raw = { ...png, cacheControl: "60", metadata: { from: "bytes" } };
    granted(await files.upload(`${uploads}/bytes.png`, new Uint8Array(picture).buffer, raw));
    granted(await files.upload(`${uploads}/stream.png`, Readable.from([picture.subarray(0, 9), picture.subarray(9)]), png));
  });
  await check("an empty file goes up", async () => {
    granted(await files.upload(`${uploads}/empty/none.png`, new Blob([], { type: "image/png" })));
  });
  await check("a file goes up by a link, once", async () => {
    const { token, path } = granted(await files.createSignedUploadUrl(`${uploads}/link.png`));
    const blob = new Blob([picture], { type: "image/png" });
    assert.equal(granted(await files.uploadToSignedUrl(path, token, blob)).fullPath, `${BUCKET}/${path}`);
    refused(await files.uploadToSignedUrl(path, token, blob), "409", /already exists/);
    refused(await files.createSignedUploadUrl(`${uploads}/link.png`, { upsert: true }), "403", POLICY);
  });
}

async function refusals(ada, { user, other, stranger }) {
  const files = ada.storage.from(BUCKET);
  const blob = new Blob([picture], { type: "image/png" });
  await check("uploads elsewhere are refused", async () => {
    for (const path of [`${user}/inputs/a.png`, `${other}/uploads/a.png`, `${user}/a.png`, "a.png"]) {
      refused(await files.upload(path, blob), "403", POLICY);
      refused(await files.upload(path, picture, png), "403", POLICY);
      refused(await files.createSignedUploadUrl(path), "403", POLICY);
    }
    refused(await ada.storage.from("nowhere").upload(`${user}/uploads/a.png`, blob), "404", /Bucket not found/);
  });
  await check("who is not signed in uploads and sees nothing", async () => {
    const none = stranger.storage.from(BUCKET);
    refused(await none.upload(`${user}/uploads/stranger.png`, blob), "403", POLICY);
    refused(await none.createSignedUrl(`${user}/uploads/form.png`, LINK_SECONDS), "404", /not found/);
    assert.deepEqual(granted(await none.list(`${user}/uploads`)), []);
  });
  await check("too large, of another type, or badly named: refused, as a form and as bytes", async () => {
    const large = Buffer.alloc(FILE_BYTES_MAX + 1);
    const at = (name) => `${user}/uploads/${name}`;
    refused(await files.upload(at("large.png"), new Blob([large], { type: "image/png" })), "413", /maximum allowed size/);
    refused(await files.upload(at("large.png"), large, png), "413", /maximum allowed size/);
    refused(await files.upload(at("a.gif"), new Blob([picture], { type: "image/gif" })), "415", /image\/gif/);
    refused(await files.upload(at("a.gif"), picture, { contentType: "image/gif" }), "415", /image\/gif/);
    refused(await files.upload(at("é.png"), blob), "400", /Invalid key/);
    refused(await files.upload(at("form.png"), new FormData()), "400", /No content/);
  });
}

async function down(files, uploads, service) {
  const names = ["by hand (1).webp", "bytes.png", "form.png", "link.png", "stream.png"];
  await check("what went up comes down", async () => {
    for (const name of names) {
      const blob = granted(await files.download(`${uploads}/${name}`));
      assert.deepEqual(await bytesOf(blob), picture, name);
      assert.equal(blob.type, name.endsWith("webp") ? "image/webp" : "image/png");
    }
    assert.equal(granted(await files.download(`${uploads}/empty/none.png`)).size, 0);
    const [, middle] = names;
    assert.deepEqual(await bytesOf(granted(await service.storage.from(BUCKET).download(`${uploads}/${middle}`))), picture);
  });
  await check("what was said of a file is kept", async () => {
    const said = async (name) => {
      const { size, contentType, cacheControl, metadata } = granted(await files.info(`${uploads}/${name}`));
      return [size, contentType, cacheControl, metadata];
    };
    assert.deepEqual(await said("form.png"), [picture.length, "image/png", "max-age=3600", { from: "a form" }]);
    assert.deepEqual(await said("bytes.png"), [picture.length, "image/png", "max-age=60", { from: "bytes" }]);
    assert.deepEqual(await said(names[0]), [picture.length, "image/webp", "max-age=7", {}]);
  });
  await check("a list shows one folder, in pages", async () => {
    const rows = granted(await files.list(uploads));
    assert.deepEqual(rows.map((row) => row.name), ["by hand (1).webp", "bytes.png", "empty", ...names.slice(2)]);
    const [first, , folder] = rows;
    assert.deepEqual([first.metadata.size, first.metadata.mimetype], [picture.length, "image/webp"]);
    assert.equal(folder.id, null);
    const page = granted(await files.list(uploads, { limit: 2, offset: 1, sortBy: { column: "name", order: "desc" } }));
    assert.deepEqual(page.map((row) => row.name), ["link.png", "form.png"]);
  });
  await check("there is what there is", async () => {
    assert.equal((await files.exists(`${uploads}/form.png`)).data, true);
    assert.equal((await files.exists(`${uploads}/missing.png`)).data, false);
    assert.ok((await files.download(`${uploads}/missing.png`)).error);
  });
}

async function links(files, uploads) {
  await check("a signed link brings the bytes, without a key", async () => {
    const { signedUrl } = granted(await files.createSignedUrl(`${uploads}/by hand (1).webp`, LINK_SECONDS));
    const answer = await fetch(signedUrl);
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/webp"]);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), picture);
    assert.equal((await fetch(signedUrl.replace("by%20hand%20(1).webp", "form.png"))).status, 400);
    const part = await fetch(signedUrl, { headers: { range: "bytes=10-19" } });
    assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer())], [206, picture.subarray(10, 20)]);
  });
  await check("a link can name the file that is saved", async () => {
    const options = { download: "mine.png" };
    const { signedUrl } = granted(await files.createSignedUrl(`${uploads}/form.png`, LINK_SECONDS, options));
    assert.match((await fetch(signedUrl)).headers.get("content-disposition"), /^attachment; filename=mine\.png/);
  });
  await check("many are signed at once, each with its own error", async () => {
    const paths = [`${uploads}/form.png`, `${uploads}/missing.png`];
    const [signed, missing] = granted(await files.createSignedUrls(paths, LINK_SECONDS));
    assert.deepEqual([signed.path, signed.error], [paths[0], null]);
    assert.deepEqual(Buffer.from(await (await fetch(signed.signedUrl)).arrayBuffer()), picture);
    assert.match(missing.error, /does not exist/);
    refused(await files.createSignedUrl(paths[1], LINK_SECONDS), "404", /not found/);
  });
}

async function changes(files, uploads, service) {
  const other = Buffer.from("another picture");
  await check("nothing is replaced or removed by a user", async () => {
    const path = `${uploads}/form.png`;
    refused(await files.upload(path, other, png), "409", /already exists/);
    refused(await files.upload(path, other, { ...png, upsert: true }), "403", POLICY);
    refused(await files.update(path, new Blob([other], { type: "image/png" })), "403", POLICY);
    assert.deepEqual(granted(await files.remove([path])), []);
    assert.deepEqual(await bytesOf(granted(await files.download(path))), picture);
  });
  await check("the service replaces and removes", async () => {
    const all = service.storage.from(BUCKET);
    const path = `${uploads}/stream.png`;
    granted(await all.upload(path, new Blob([other], { type: "image/png" }), { upsert: true }));
    assert.deepEqual(await bytesOf(granted(await all.download(path))), other);
    const rows = granted(await all.remove([path, `${uploads}/missing.png`]));
    assert.deepEqual(rows.map((row) => row.name), [path]);
    assert.equal((await files.exists(path)).data, false);
  });
}

async function elsewhere(ada, { user, stranger, service }) {
  await check("what is not in her uploads is not hers to see", async () => {
    const path = `${user}/inputs/kept.png`;
    granted(await service.storage.from(BUCKET).upload(path, picture, png));
    const files = ada.storage.from(BUCKET);
    refused(await files.createSignedUrl(path, LINK_SECONDS), "404", /not found/);
    assert.equal((await files.exists(path)).data, false);
    assert.deepEqual(granted(await files.list(`${user}/inputs`)), []);
    // Who has a link needs no right.
    const { signedUrl } = granted(await service.storage.from(BUCKET).createSignedUrl(path, LINK_SECONDS));
    assert.equal((await fetch(signedUrl)).status, 200);
    assert.equal((await fetch(stranger.storage.from(BUCKET).getPublicUrl(path).data.publicUrl)).status, 400);
  });
}
