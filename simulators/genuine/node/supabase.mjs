// Supabase's own client against a project: what a browser does with Auth and Storage, and what it is refused.
// Settings: SUPABASE_URL, SUPABASE_KEY (anon or publishable), SUPABASE_SERVICE_KEY (legacy or secret).
import { createClient } from "@supabase/supabase-js";

import { signIn, signOut } from "./supabase-auth.mjs";
import { store } from "./supabase-storage.mjs";
import { conclude, setting } from "./checks.mjs";

const url = setting("SUPABASE_URL");

// Realtime is not simulated, and nothing here connects to it; but without WebSocket, as in Node 20, no client can be made.
class NoSocket {}

const options = {
  // Nothing is kept between runs, and no timer refreshes a session behind the back of the checks.
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: NoSocket },
};
const client = (key) => createClient(url, key, options);

const person = () => client(setting("SUPABASE_KEY"));
const service = () => client(setting("SUPABASE_SERVICE_KEY"));

const ada = person();
const eve = person();
const user = await signIn(ada, eve, person);
await store(ada, { user, other: (await eve.auth.getUser()).data.user?.id, stranger: person(), service: service() });
await signOut(ada, person);
conclude();
