// Signing up, in and out, and what the tokens are good for.
import { assert, check } from "./checks.mjs";

const PASSWORD = "correct horse battery";
const EXPIRY_SECONDS_MAX = 86_400;

const address = (name) => `${name}-${crypto.randomUUID()}@example.com`;

function refused({ data, error }, status, code) {
  assert.ok(error, `a refusal was expected, not ${JSON.stringify(data)}`);
  assert.deepEqual([error.status, error.code], [status, code], error.message);
  return error;
}

function granted({ data, error }) {
  assert.equal(error, null);
  return data;
}

function isSession(session, email) {
  const now = Date.now() / 1000;
  assert.equal(session.token_type, "bearer");
  assert.ok(session.expires_in > 0 && session.expires_in <= EXPIRY_SECONDS_MAX, `expires_in ${session.expires_in}`);
  assert.ok(Math.abs(session.expires_at - now - session.expires_in) < 60, `expires_at ${session.expires_at}`);
  assert.equal(session.access_token.split(".").length, 3);
  assert.equal(session.user.email, email);
}

// Signs both up, and returns the id of the first.
export async function signIn(ada, eve, person) {
  const email = address("ada");
  await check("a short password is refused, and why", async () => {
    const error = refused(await ada.auth.signUp({ email, password: "short" }), 422, "weak_password");
    assert.deepEqual([error.name, error.reasons], ["AuthWeakPasswordError", ["length"]]);
  });
  await check("an address that is none is refused", async () => {
    refused(await ada.auth.signUp({ email: "nobody", password: PASSWORD }), 400, "validation_failed");
  });
  await check("who signs up is signed in", async () => {
    const options = { data: { full_name: "Ada Lovelace" } };
    const { user, session } = granted(await ada.auth.signUp({ email, password: PASSWORD, options }));
    isSession(session, email);
    assert.deepEqual([user.aud, user.role, user.is_anonymous, user.phone], ["authenticated", "authenticated", false, ""]);
    assert.deepEqual(user.app_metadata, { provider: "email", providers: ["email"] });
    assert.equal(user.user_metadata.full_name, "Ada Lovelace");
    // No identity is how a client is told that the address was taken before.
    assert.deepEqual(user.identities.map((identity) => [identity.provider, identity.user_id]), [["email", user.id]]);
    for (const moment of [user.created_at, user.updated_at, user.email_confirmed_at, user.last_sign_in_at]) {
      assert.ok(Date.parse(moment) > 0, `no time: ${moment}`);
    }
  });
  await check("an address signs up once", async () => {
    refused(await person().auth.signUp({ email, password: PASSWORD }), 422, "user_already_exists");
  });
  await check("another person signs up", async () => {
    granted(await eve.auth.signUp({ email: address("eve"), password: PASSWORD }));
  });
  await check("a wrong password and an unknown address are refused alike", async () => {
    const wrong = refused(await person().auth.signInWithPassword({ email, password: "wrong" }), 400, "invalid_credentials");
    const nobody = { email: address("nobody"), password: PASSWORD };
    const unknown = refused(await person().auth.signInWithPassword(nobody), 400, "invalid_credentials");
    assert.equal(wrong.message, unknown.message);
  });
  await check("the right password signs in", async () => {
    const { session } = granted(await ada.auth.signInWithPassword({ email: email.toUpperCase(), password: PASSWORD }));
    isSession(session, email);
  });
  await tokens(ada, person, email);
  await changes(ada, person, email);
  return (await ada.auth.getSession()).data.session?.user.id;
}

async function tokens(ada, person, email) {
  await check("a token says who one is", async () => {
    const { user } = granted(await ada.auth.getUser());
    assert.equal(user.email, email);
    refused(await ada.auth.getUser("not.a.token"), 403, "bad_jwt");
  });
  await check("the published keys verify a token", async () => {
    const { session } = granted(await ada.auth.getSession());
    const { claims, header } = granted(await ada.auth.getClaims());
    assert.deepEqual([claims.sub, claims.role, claims.aal], [session.user.id, "authenticated", "aal1"]);
    assert.deepEqual([header.alg, typeof header.kid], ["ES256", "string"]);
    const [head, body, signature] = session.access_token.split(".");
    const forged = [head, body, (signature.startsWith("A") ? "B" : "A") + signature.slice(1)].join(".");
    assert.equal((await ada.auth.getClaims(forged)).error?.name, "AuthInvalidJwtError");
  });
  await check("a refreshed session has new tokens, which are accepted", async () => {
    const before = granted(await ada.auth.getSession()).session;
    const { session } = granted(await ada.auth.refreshSession());
    isSession(session, email);
    assert.notEqual(session.refresh_token, before.refresh_token);
    assert.notEqual(session.access_token, before.access_token);
    assert.equal(granted(await ada.auth.getUser(session.access_token)).user.id, before.user.id);
    // The one just used brings no third token: only the next one, for who did not hear the answer.
    const again = granted(await person().auth.refreshSession({ refresh_token: before.refresh_token })).session;
    assert.equal(again.refresh_token, session.refresh_token);
  });
  await check("an unknown refresh token brings nothing", async () => {
    refused(await person().auth.refreshSession({ refresh_token: "unknown" }), 400, "refresh_token_not_found");
  });
}

async function changes(ada, person, email) {
  await check("metadata and password can be changed", async () => {
    const { user } = granted(await ada.auth.updateUser({ data: { full_name: "Ada King" } }));
    assert.deepEqual([user.email, user.user_metadata.full_name], [email, "Ada King"]);
    refused(await ada.auth.updateUser({ password: "short" }), 422, "weak_password");
    refused(await ada.auth.updateUser({ password: PASSWORD }), 422, "same_password");
    granted(await ada.auth.updateUser({ password: `${PASSWORD} staple` }));
    granted(await person().auth.signInWithPassword({ email, password: `${PASSWORD} staple` }));
    refused(await person().auth.signInWithPassword({ email, password: PASSWORD }), 400, "invalid_credentials");
  });
}

export async function signOut(ada, person) {
  await check("who signs out has no session any more, here or there", async () => {
    const { session } = granted(await ada.auth.getSession());
    assert.equal((await ada.auth.signOut()).error, null);
    assert.equal(granted(await ada.auth.getSession()).session, null);
    assert.equal((await ada.auth.getUser(session.access_token)).error?.name, "AuthSessionMissingError");
    const { refresh_token } = session;
    refused(await person().auth.refreshSession({ refresh_token }), 400, "refresh_token_not_found");
  });
}
