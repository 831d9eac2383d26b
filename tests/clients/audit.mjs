// Audits a GraphQL endpoint against the GraphQL over HTTP specification with the checks of `graphql-http`.
// node audit.mjs http://HOST/graphql [TOKEN]   (the token may also be in the environment, as TOKEN)

import { auditServer } from 'graphql-http';

const [url, token = process.env.TOKEN] = process.argv.slice(2);
if (!url) {
  console.error('usage: URL [TOKEN]');
  process.exit(2);
}

const credentials = token ? { authorization: `Bearer ${token}` } : {};
const results = await auditServer({
  url,
  fetchFn: (target, init = {}) => fetch(target, { ...init, headers: { ...init.headers, ...credentials } }),
});

const counts = { ok: 0, warn: 0, error: 0 };
for (const { id, name, status, reason } of results) {
  // A `notice` is a MAY that we do not meet. It fails nothing, but then `ok` is not the number of all checks.
  if (status in counts) counts[status] += 1;
  if (status !== 'ok') console.error(`${status} ${id} ${name}: ${reason}`);
}
console.log(JSON.stringify(counts));
process.exit(counts.warn + counts.error > 0 ? 1 : 0);
